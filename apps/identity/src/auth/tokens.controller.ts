import { createHash } from 'node:crypto';
import { Controller, Delete, Get, Headers, HttpCode, Inject, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { TokenClaims } from '@virga/contracts';
import { CloudError, notFound, type RequestContext } from '@virga/core';
import { Authenticated, Caller, PolicyEnforcer, Public, TokenVerifier, ValidBody } from '@virga/rest';
import { ENFORCER } from '../injection';
import { Catalog, type CatalogEntry } from '../catalog/catalog';
import { Revoker } from '../revocations/revoker';
import { readClaims } from '../tokens/read-claims';
import { AuthRequest } from './auth-request';
import { ApplicationCredentialLogin } from './application-credential-login';
import { Authenticator } from './authenticate';
import { tokenView } from './token-view';

@Controller('v3/auth/tokens')
export class TokensController {
  constructor(
    @Inject(Authenticator) private readonly authenticator: Authenticator,
    @Inject(TokenVerifier) private readonly verifier: TokenVerifier,
    @Inject(ApplicationCredentialLogin) private readonly credentials: ApplicationCredentialLogin,
    @Inject(Catalog) private readonly catalog: Catalog,
    @Inject(Revoker) private readonly revoker: Revoker,
    @Inject(ENFORCER) private readonly policy: PolicyEnforcer,
  ) {}

  @Post() @Public() @HttpCode(201)
  async issue(@ValidBody(AuthRequest) body: AuthRequest, @Query() query: Record<string, string>, @Res({ passthrough: true }) reply: FastifyReply) {
    const { token, claims, credential } = await this.authenticator.authenticate(body);
    reply.header('X-Subject-Token', token);
    return tokenView(claims, await this.catalogOf(claims, query), credential);
  }

  /** HEAD comes here too. The rule needs to know whose token it is, so it is enforced inside. */
  @Get() @Authenticated()
  async show(
    @Caller() caller: RequestContext, @Headers('x-subject-token') subject: string | undefined, @Query() query: Record<string, string>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const token = await this.subjectOf(caller, subject, 'identity:validate_token');
    const claims = readClaims(token);
    const credential = claims.methods.includes('application_credential') ? await this.credentials.find(claims.aud_ids.at(-1)!) : undefined;
    reply.header('X-Subject-Token', token);
    return tokenView(claims, await this.catalogOf(claims, query), credential);
  }

  @Delete() @Authenticated() @HttpCode(204)
  async revoke(@Caller() caller: RequestContext, @Headers('x-subject-token') subject: string | undefined): Promise<void> {
    const token = await this.subjectOf(caller, subject, 'identity:revoke_token');
    const [auditId] = readClaims(token).aud_ids;
    await this.revoker.transaction((_, revoke) => Promise.resolve(revoke({ auditId: auditId!, tokenSha256: createHash('sha256').update(token).digest('hex') })));
  }

  /** The token that is asked about, once the caller may ask. 404 for everyone when it does not hold. */
  private async subjectOf(caller: RequestContext, subject: string | undefined, rule: string): Promise<string> {
    const target = subject === undefined ? undefined : await this.verifier.verify(subject).catch((error: unknown) => {
      if (error instanceof CloudError && error.kind === 'unauthorized') return undefined;
      throw error;
    });
    if (!target) throw notFound(subject === undefined ? 'No token in the request' : 'Could not recognize the token.');
    this.policy.enforce(caller, rule, { userId: target.user.id });
    return target.token;
  }

  private catalogOf(claims: TokenClaims, query: Record<string, string>): Promise<CatalogEntry[]> | undefined {
    if ('nocatalog' in query) return undefined;
    return this.catalog.forCaller({ projectId: claims.project?.id, userId: claims.sub });
  }
}
