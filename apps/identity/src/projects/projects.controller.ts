import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { newHexId, type RequestContext } from '@virga/core';
import { inTransaction, sql } from '@virga/db';
import { Authenticated, Caller, PolicyEnforcer, ValidBody, ValidQuery } from '@virga/rest';
import { allowedRow } from '../collection/allowed-row';
import { envelope, isSet, listRows, single, type Query } from '../collection/list';
import { checkSameId, findRow, storing } from '../collection/rows';
import { AnyQuery } from '../collection/schema-parts';
import type { Db, DomainRow, ProjectRow } from '../db/tables';
import { domainAsProject, domainList } from '../domains/domain';
import { domainTaken, insertDomain, removeDomain, updateDomain } from '../domains/write-domain';
import { CONFIG, DATABASE, ENFORCER, type Settings } from '../injection';
import { Revoker } from '../revocations/revoker';
import { ProjectCreate, projectConditions, projectList, ProjectUpdate, projectView, projectViews, tagsOf } from './project';
import { parentIds, parentsOf, subtreeIds, subtreeOf } from './project-tree';
import { deleteProject, insertProject, projectTaken, updateProject } from './write-project';

/** Rules depend on the project's domain, so they are enforced inside. */
@Controller('v3/projects') @Authenticated()
export class ProjectsController {
  constructor(
    @Inject(DATABASE) private readonly db: Db,
    @Inject(CONFIG) private readonly settings: Settings,
    @Inject(ENFORCER) private readonly policy: PolicyEnforcer,
    @Inject(Revoker) private readonly revoker: Revoker,
  ) {}

  @Get()
  async list(@ValidQuery(AnyQuery) query: Query, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    this.policy.enforce(caller, 'identity:list_projects', { domainId: single(query['domain_id']) ?? caller.domain?.id });
    const own = caller.domain && !caller.roleNames.has('admin') ? [sql`projects.domain_id = ${caller.domain.id}`] : [];
    if (isSet(query, 'is_domain')) return this.listDomains(caller, query, request);
    const { rows, next } = await listRows<ProjectRow>(this.db, projectList, query, this.settings.listLimit, [...own, ...projectConditions(query)]);
    return envelope(request, 'projects', await projectViews(this.db, rows, request), next);
  }

  @Post() @HttpCode(201)
  async create(@ValidBody(ProjectCreate) { project }: ProjectCreate, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    if (project.is_domain) {
      this.policy.enforce(caller, 'identity:create_project', {});
      return { project: domainAsProject(await storing(insertDomain(this.db, project), domainTaken(project.name)), request) };
    }
    const domainId = project.domain_id ?? caller.domain?.id ?? caller.project?.domain.id ?? 'default';
    this.policy.enforce(caller, 'identity:create_project', { domainId });
    const id = newHexId();
    const row = await storing(inTransaction(this.db, (trx) => insertProject(trx, project, domainId, id)), projectTaken(project.name, id));
    return { project: projectView(row, project.tags, request) };
  }

  @Get(':id')
  async show(@Param('id') id: string, @ValidQuery(AnyQuery) query: Query, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    const domain = await this.domainOf(caller, 'identity:get_project', id);
    if (domain) return { project: domainAsProject(domain, request) };
    const row = await this.allowed(caller, 'identity:get_project', id);
    const view: Record<string, unknown> = projectView(row, (await tagsOf(this.db, [id])).get(id), request);
    const wrapped = async (rows: ProjectRow[]) => (await projectViews(this.db, rows, request)).map((project) => ({ project }));
    if (isSet(query, 'parents_as_list')) view['parents'] = await wrapped(await parentsOf(this.db, id));
    if (isSet(query, 'parents_as_ids')) view['parents'] = parentIds(await parentsOf(this.db, id));
    if (isSet(query, 'subtree_as_list')) view['subtree'] = await wrapped(await subtreeOf(this.db, id));
    if (isSet(query, 'subtree_as_ids')) view['subtree'] = subtreeIds(id, await subtreeOf(this.db, id));
    return { project: view };
  }

  @Patch(':id')
  async update(@Param('id') id: string, @ValidBody(ProjectUpdate) { project }: ProjectUpdate, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    checkSameId('project', id, project);
    if (await this.domainOf(caller, 'identity:update_project', id)) {
      await storing(this.revoker.transaction((trx, revoke) => updateDomain(trx, revoke, id, project)), domainTaken(project.name ?? ''));
      return { project: domainAsProject(await findRow<DomainRow>(this.db, 'domains', 'project', id), request) };
    }
    await this.allowed(caller, 'identity:update_project', id);
    await storing(this.revoker.transaction((trx, revoke) => updateProject(trx, revoke, id, project)), projectTaken(project.name ?? '', id));
    const row = await findRow<ProjectRow>(this.db, 'projects', 'project', id);
    // keystone shows the raw `extra` after a change, and only then.
    return { project: { ...projectView(row, (await tagsOf(this.db, [id])).get(id), request), extra: JSON.parse(row.extra) as unknown } };
  }

  @Delete(':id') @HttpCode(204)
  async delete(@Param('id') id: string, @Caller() caller: RequestContext): Promise<void> {
    if (await this.domainOf(caller, 'identity:delete_project', id)) return this.revoker.transaction((trx, revoke) => removeDomain(trx, revoke, id));
    await this.allowed(caller, 'identity:delete_project', id);
    await this.revoker.transaction((trx, revoke) => deleteProject(trx, revoke, id));
  }

  private async listDomains(caller: RequestContext, query: Query, request: FastifyRequest) {
    this.policy.enforce(caller, 'identity:list_domains');
    const { rows, next } = await listRows<DomainRow>(this.db, domainList, query, this.settings.listLimit);
    return envelope(request, 'projects', rows.map((row) => domainAsProject(row, request)), next);
  }

  /** The domain of that id, which the projects API knows as well, for those who may on any project. */
  private async domainOf(caller: RequestContext, rule: string, id: string): Promise<DomainRow | undefined> {
    if (!this.policy.allows(caller, rule, {})) return undefined;
    return this.db.selectFrom('domains').selectAll().where('id', '=', id).executeTakeFirst();
  }

  private allowed(caller: RequestContext, rule: string, id: string): Promise<ProjectRow> {
    return allowedRow<ProjectRow>(this.db, this.policy, caller, rule, { table: 'projects', noun: 'project', id, target: ({ domain_id: domainId }) => ({ projectId: id, domainId }) });
  }
}
