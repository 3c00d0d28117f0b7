import { Controller, Get, Inject, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { forbidden, type RequestContext } from '@virga/core';
import { sql } from '@virga/db';
import { Authorize, Caller, ValidQuery } from '@virga/rest';
import { Catalog } from '../catalog/catalog';
import { envelope, listRows, type Query } from '../collection/list';
import { AnyQuery } from '../collection/schema-parts';
import type { Db, DomainRow, ProjectRow } from '../db/tables';
import { domainList, domainView } from '../domains/domain';
import { CONFIG, DATABASE, type Settings } from '../injection';
import { projectList, projectViews } from '../projects/project';
import { domainsOfUser, projectsOfUser, systemOfUser } from '../role-assignments/reachable';

/** What the bearer of a token can reach with it. */
@Controller('v3/auth')
export class AuthController {
  constructor(@Inject(DATABASE) private readonly db: Db, @Inject(CONFIG) private readonly settings: Settings, @Inject(Catalog) private readonly catalog: Catalog) {}

  @Get('catalog') @Authorize('identity:get_auth_catalog')
  async showCatalog(@Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    if (!caller.project && !caller.domain && !caller.system) throw forbidden('A project-scoped token is required to produce a service catalog.');
    return envelope(request, 'catalog', await this.catalog.forCaller({ projectId: caller.project?.id, userId: caller.user.id }));
  }

  @Get('projects') @Authorize('identity:get_auth_projects')
  async projects(@ValidQuery(AnyQuery) query: Query, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    const open = sql`projects.enabled = 1 and projects.domain_id in (select d.id from domains d where d.enabled = 1)`;
    const { rows, next } = await listRows<ProjectRow>(this.db, projectList, query, this.settings.listLimit, [open, sql`projects.id in (${projectsOfUser(caller.user.id)})`]);
    return envelope(request, 'projects', await projectViews(this.db, rows, request), next);
  }

  @Get('domains') @Authorize('identity:get_auth_domains')
  async domains(@ValidQuery(AnyQuery) query: Query, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    const { rows, next } = await listRows<DomainRow>(this.db, domainList, query, this.settings.listLimit, [sql`domains.enabled = 1`, sql`domains.id in (${domainsOfUser(caller.user.id)})`]);
    return envelope(request, 'domains', rows.map((row) => domainView(row, request)), next);
  }

  @Get('system') @Authorize('identity:get_auth_system')
  async system(@Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    const { rows } = await sql`${systemOfUser(caller.user.id)} limit 1`.execute(this.db);
    return envelope(request, 'system', rows.length > 0 ? [{ all: true }] : []);
  }
}
