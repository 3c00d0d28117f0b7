import { Controller, Get, Head, HttpCode, Inject, Param, Post, Query, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CloudError, notFound, unauthorized, type RequestContext } from '@virga/core';
import { sql } from '@virga/db';
import { Authenticated, baseUrl, Caller, PolicyEnforcer, Public, TokenVerifier, ValidBody } from '@virga/rest';
import { Authenticator } from '../auth/authenticate';
import { REJECTED } from '../auth/read-scope';
import { Catalog } from '../catalog/catalog';
import type { Db } from '../db/tables';
import { DATABASE, ENFORCER } from '../injection';
import { projectsOfUser } from '../role-assignments/reachable';
import { readClaims } from '../tokens/read-claims';
import { v2Document } from '../versions/v2-document';
import { accessView, isTellable, toV3Auth, V2AuthRequest, V2_DOMAIN, type Tenant } from './v2-auth';

/** What older tools need of Identity v2.0: log-in, tenants, and questions about tokens. Reads only; the rest is absent. */
@Controller('v2.0')
export class V2Controller {
  constructor(
    @Inject(DATABASE) private readonly db: Db,
    @Inject(Authenticator) private readonly authenticator: Authenticator,
    @Inject(TokenVerifier) private readonly verifier: TokenVerifier,
    @Inject(Catalog) private readonly catalog: Catalog,
    @Inject(ENFORCER) private readonly policy: PolicyEnforcer,
  ) {}

  @Get() @Public()
  version(@Req() request: FastifyRequest) {
    return { version: v2Document(baseUrl(request)) };
  }

  @Post('tokens') @Public() @HttpCode(200)
  async issue(@ValidBody(V2AuthRequest) body: V2AuthRequest) {
    const { token, claims } = await this.authenticator.authenticate(toV3Auth(body));
    if (!isTellable(claims)) throw unauthorized(REJECTED);
    return this.access(token);
  }

  @Get('tenants') @Authenticated()
  async tenants(@Caller() caller: RequestContext, @Query() query: Record<string, string>) {
    const rows = await this.db.selectFrom('projects').select(['id', 'name', 'description', 'enabled'])
      .where('domain_id', '=', V2_DOMAIN).where('enabled', '=', true).where(sql<boolean>`projects.id in (${projectsOfUser(caller.user.id)})`)
      .$if(typeof query['name'] === 'string', (select) => select.where('name', '=', query['name']!)).orderBy('id').execute();
    return { tenants: rows.map((row): Tenant => ({ id: row.id, name: row.name, description: row.description ?? '', enabled: true })), tenants_links: [] };
  }

  @Head('tokens/:token') @Authenticated() @HttpCode(200)
  async check(@Caller() caller: RequestContext, @Param('token') token: string, @Query('belongsTo') belongsTo?: string): Promise<void> {
    await this.subject(caller, token, 'identity:check_token', belongsTo);
  }

  @Get('tokens/:token') @Authenticated()
  async show(@Caller() caller: RequestContext, @Param('token') token: string, @Query('belongsTo') belongsTo?: string) {
    await this.subject(caller, token, 'identity:validate_token', belongsTo);
    return this.access(token);
  }

  @Get('tokens/:token/endpoints') @Authenticated()
  async endpoints(@Caller() caller: RequestContext, @Param('token') token: string) {
    const { project, sub } = await this.subject(caller, token, 'identity:validate_token');
    const catalog = project ? await this.catalog.forCaller({ projectId: project.id, userId: sub }) : [];
    return { endpoints: catalog.flatMap(({ type, name, endpoints }) => endpoints.map(({ id, interface: face, region, url }) => ({ id, name, type, region, [`${face}URL`]: url }))), endpoints_links: [] };
  }

  /** 404 for a token that does not hold, that v2.0 cannot tell, or that belongs to another tenant. */
  private async subject(caller: RequestContext, token: string, rule: string, belongsTo?: string) {
    const target = await this.verifier.verify(token).catch((error: unknown) => {
      if (error instanceof CloudError && error.kind === 'unauthorized') return undefined;
      throw error;
    });
    if (!target) throw notFound('Could not find token.');
    this.policy.enforce(caller, rule, { userId: target.user.id });
    const claims = readClaims(token);
    if (!isTellable(claims) || (belongsTo !== undefined && claims.project?.id !== belongsTo)) throw notFound('Could not find token.');
    return claims;
  }

  private async access(token: string) {
    const claims = readClaims(token);
    const row = claims.project && await this.db.selectFrom('projects').select(['id', 'name', 'description']).where('id', '=', claims.project.id).executeTakeFirst();
    const tenant: Tenant | undefined = row && { ...row, description: row.description ?? '', enabled: true };
    return accessView(token, claims, tenant, await this.catalog.forCaller({ projectId: claims.project?.id, userId: claims.sub }));
  }
}
