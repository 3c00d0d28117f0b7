import { Controller, Get, Inject, Query, Req } from '@nestjs/common';
import { badRequest, notFound } from '@virga/core';
import { Authorize, baseUrl, type FastifyRequest } from '@virga/rest';
import { microseconds } from '../auth/token-view';
import { PkiKeys } from '../pki/pki-keys';
import { cmsPem, signCms } from '../pki/sign-cms';
import { Revoker } from './revoker';

/** What has been revoked, for those who verify tokens themselves. */
@Controller()
export class RevocationsController {
  constructor(@Inject(Revoker) private readonly revoker: Revoker, @Inject(PkiKeys) private readonly keys: PkiKeys) {}

  /**
   * Single tokens that were revoked, by the SHA-256 of their text, signed like a token. What was revoked for a user, project or domain
   * as a whole is told by the events below.
   */
  @Get(['v2.0/tokens/revoked', 'v3/auth/tokens/OS-PKI/revoked']) @Authorize('identity:revocation_list')
  async list() {
    if (!this.keys.exist) throw notFound('The cloud has no certificates for tokens.');
    const revoked = (await this.revoker.rows()).filter(({ token_sha256: hash }) => hash !== null)
      .map(({ token_sha256: id, audit_id: auditId, expires_at: expires }) => ({ id, expires: microseconds(Number(expires)), audit_id: auditId }));
    return { signed: cmsPem(signCms(Buffer.from(JSON.stringify({ revoked })), this.keys.signing)) };
  }

  @Get('v3/OS-REVOKE/events') @Authorize('identity:list_revoke_events')
  async events(@Req() request: FastifyRequest, @Query('since') since?: string) {
    const from = since === undefined ? -Infinity : Date.parse(since);
    if (Number.isNaN(from)) throw badRequest('since is not a time.');
    const rows = (await this.revoker.rows()).filter(({ issued_before: time }) => Number(time) >= from);
    return {
      events: rows.map((row) => ({
        ...(row.audit_id !== null && { audit_id: row.audit_id }), ...(row.user_id !== null && { user_id: row.user_id }), ...(row.project_id !== null && { project_id: row.project_id }),
        ...(row.domain_id !== null && { domain_id: row.domain_id }), issued_before: microseconds(Number(row.issued_before)),
      })),
      links: { self: `${baseUrl(request)}/v3/OS-REVOKE/events`, previous: null, next: null },
    };
  }
}
