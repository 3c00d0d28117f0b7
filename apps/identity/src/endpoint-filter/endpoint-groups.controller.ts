import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Put, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { newHexId, notFound } from '@virga/core';
import { Authorize, ValidBody, ValidQuery } from '@virga/rest';
import { Catalog } from '../catalog/catalog';
import { envelope, listRows, selfLink, type Query } from '../collection/list';
import { checkSameId, defined, findRow, missing, storing } from '../collection/rows';
import { AnyQuery } from '../collection/schema-parts';
import type { EndpointGroupRow } from '../db/delegation-tables';
import type { Db } from '../db/tables';
import { endpointView } from '../endpoints/endpoint';
import { CONFIG, DATABASE, type Settings } from '../injection';
import { projectViews } from '../projects/project';
import { EndpointGroupCreate, endpointGroupList, EndpointGroupUpdate, endpointGroupView, matchesFilters } from './endpoint-group';

/** Endpoints by what they have in common, given to projects together. */
@Controller('v3/OS-EP-FILTER/endpoint_groups')
export class EndpointGroupsController {
  constructor(@Inject(DATABASE) private readonly db: Db, @Inject(CONFIG) private readonly settings: Settings, @Inject(Catalog) private readonly catalog: Catalog) {}

  @Get() @Authorize('identity:list_endpoint_groups')
  async list(@ValidQuery(AnyQuery) query: Query, @Req() request: FastifyRequest) {
    const { rows, next } = await listRows<EndpointGroupRow>(this.db, endpointGroupList, query, this.settings.listLimit);
    return envelope(request, 'endpoint_groups', rows.map((row) => endpointGroupView(row, request)), next);
  }

  @Post() @Authorize('identity:create_endpoint_group') @HttpCode(201)
  async create(@ValidBody(EndpointGroupCreate) { endpoint_group: given }: EndpointGroupCreate, @Req() request: FastifyRequest) {
    const row: EndpointGroupRow = { id: newHexId(), name: given.name, description: given.description ?? null, filters: JSON.stringify(given.filters) };
    await this.db.insertInto('endpoint_groups').values(row).execute();
    return { endpoint_group: endpointGroupView(row, request) };
  }

  /** HEAD comes here too. */
  @Get(':id') @Authorize('identity:get_endpoint_group')
  async show(@Param('id') id: string, @Req() request: FastifyRequest) {
    return { endpoint_group: endpointGroupView(await this.find(id), request) };
  }

  @Patch(':id') @Authorize('identity:update_endpoint_group')
  async update(@Param('id') id: string, @ValidBody(EndpointGroupUpdate) { endpoint_group: given }: EndpointGroupUpdate, @Req() request: FastifyRequest) {
    checkSameId('endpoint group', id, given);
    const row = await this.find(id);
    const filters = given.filters && JSON.stringify({ ...(JSON.parse(row.filters) as object), ...given.filters });
    const changed = { ...row, ...defined({ name: given.name, description: given.description, filters }) };
    await this.db.updateTable('endpoint_groups').where('id', '=', id).set(changed).execute();
    this.catalog.invalidate();
    return { endpoint_group: endpointGroupView(changed, request) };
  }

  @Delete(':id') @Authorize('identity:delete_endpoint_group') @HttpCode(204)
  async delete(@Param('id') id: string): Promise<void> {
    const result = await this.db.deleteFrom('endpoint_groups').where('id', '=', id).executeTakeFirst();
    if (result.numDeletedRows === 0n) throw missing('Endpoint Group', id);
    this.catalog.invalidate();
  }

  @Get(':id/endpoints') @Authorize('identity:list_endpoints_associated_with_endpoint_group')
  async endpoints(@Param('id') id: string, @Req() request: FastifyRequest) {
    const { filters } = endpointGroupView(await this.find(id), request);
    const rows = await this.db.selectFrom('endpoints').selectAll().orderBy('id').execute();
    return envelope(request, 'endpoints', rows.filter((row) => matchesFilters(filters, row)).map((row) => endpointView(row, request)));
  }

  @Get(':id/projects') @Authorize('identity:list_projects_associated_with_endpoint_group')
  async projects(@Param('id') id: string, @Req() request: FastifyRequest) {
    await this.find(id);
    const rows = await this.db.selectFrom('projects').selectAll('projects').innerJoin('project_endpoint_groups as g', 'g.project_id', 'projects.id').where('g.endpoint_group_id', '=', id).orderBy('projects.id').execute();
    return envelope(request, 'projects', await projectViews(this.db, rows, request));
  }

  @Put(':id/projects/:project') @Authorize('identity:add_endpoint_group_to_project') @HttpCode(204)
  async add(@Param('id') id: string, @Param('project') project: string): Promise<void> {
    await this.find(id);
    await findRow(this.db, 'projects', 'project', project);
    await storing(this.db.insertInto('project_endpoint_groups').ignore().values({ endpoint_group_id: id, project_id: project }).execute(), '');
    this.catalog.invalidate();
  }

  /** HEAD comes here too. */
  @Get(':id/projects/:project') @Authorize('identity:get_endpoint_group_in_project')
  async check(@Param('id') id: string, @Param('project') project: string, @Req() request: FastifyRequest) {
    const row = await this.db.selectFrom('project_endpoint_groups').selectAll().where('endpoint_group_id', '=', id).where('project_id', '=', project).executeTakeFirst();
    if (!row) throw notFound('Endpoint Group Project Association not found');
    return { project_endpoint_group: { endpoint_group_id: id, project_id: project, links: selfLink(request, `OS-EP-FILTER/endpoint_groups/${id}/projects/${project}`) } };
  }

  @Delete(':id/projects/:project') @Authorize('identity:remove_endpoint_group_from_project') @HttpCode(204)
  async remove(@Param('id') id: string, @Param('project') project: string): Promise<void> {
    const result = await this.db.deleteFrom('project_endpoint_groups').where('endpoint_group_id', '=', id).where('project_id', '=', project).executeTakeFirst();
    if (result.numDeletedRows === 0n) throw notFound('Endpoint Group Project Association not found');
    this.catalog.invalidate();
  }

  private find(id: string): Promise<EndpointGroupRow> {
    return findRow<EndpointGroupRow>(this.db, 'endpoint_groups', 'Endpoint Group', id);
  }
}
