import { Controller, Get, Inject, Param } from '@nestjs/common';
import { notFound, unauthorized } from '@virga/core';
import { Authorize, Version, type Microversion } from '@virga/rest';
import { dbNow } from '../db/time';
import { under } from '../microversions';
import { DB, type Db } from '../tokens';
import { hashSecret } from './console-secret';

@Controller(under('os-console-auth-tokens'))
export class ConsoleAuthTokensController {
  constructor(@Inject(DB) private readonly db: Db) {}

  /** Where the console is that the token opens; before 2.31 only those of RDP were shown, and there are none. */
  @Get(':token')
  @Authorize('os_compute_api:os-console-auth-tokens')
  async show(@Param('token') token: string, @Version() { minor }: Microversion) {
    const row = await this.db.selectFrom('console_auth_tokens as t')
      .innerJoin('instances as i', 'i.id', 't.instance_id').leftJoin('hosts as h', 'h.id', 'i.host_id')
      .select(['t.instance_id', 'h.facts_json'])
      .where('t.token_hash', '=', hashSecret(token)).where('t.expires_at', '>', dbNow).where('i.deleted_at', 'is', null).executeTakeFirst();
    if (!row) throw notFound('Token not found');
    if (minor < 31) throw unauthorized('The requested console type details are not accessible');
    const { hostIp, agentUrl } = JSON.parse(row.facts_json ?? '{}') as { hostIp?: string; agentUrl?: string };
    // A screen has no port of its own: it is reached through the host's one listener.
    return { console: { instance_uuid: row.instance_id, host: hostIp ?? null, port: agentUrl === undefined ? null : Number(new URL(agentUrl).port), internal_access_path: null } };
  }
}
