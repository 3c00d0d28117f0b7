import { Controller, Delete, Get, Head, HttpCode, Inject, Param, Put, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { notFound } from '@virga/core';
import { Authorize } from '@virga/rest';
import { Catalog } from '../catalog/catalog';
import { envelope } from '../collection/list';
import { findRow, storing } from '../collection/rows';
import type { Db } from '../db/tables';
import { endpointView } from '../endpoints/endpoint';
import { DATABASE } from '../injection';
import { projectViews } from '../projects/project';
import { endpointGroupView, matchesFilters } from './endpoint-group';

/** Which endpoints the catalog of a project has. A project without any of its own has all. */
@Controller('v3/OS-EP-FILTER')
export class ProjectEndpointsController {
  constructor(@Inject(DATABASE) private readonly db: Db, @Inject(Catalog) private readonly catalog: Catalog) {}

  @Get('endpoints/:endpoint/projects') @Authorize('identity:list_projects_for_endpoint')
  async projects(@Param('endpoint') endpoint: string, @Req() request: FastifyRequest) {
    await findRow(this.db, 'endpoints', 'endpoint', endpoint);
    const rows = await this.db.selectFrom('projects').selectAll('projects').innerJoin('project_endpoints as e', 'e.project_id', 'projects.id').where('e.endpoint_id', '=', endpoint).orderBy('projects.id').execute();
    return envelope(request, 'projects', await projectViews(this.db, rows, request));
  }

  @Get('projects/:project/endpoints') @Authorize('identity:list_endpoints_for_project')
  async endpoints(@Param('project') project: string, @Req() request: FastifyRequest) {
    await findRow(this.db, 'projects', 'project', project);
    const [all, direct, groups] = await Promise.all([
      this.db.selectFrom('endpoints').selectAll().orderBy('id').execute(),
      this.db.selectFrom('project_endpoints').select('endpoint_id').where('project_id', '=', project).execute(),
      this.groupsOf(project),
    ]);
    const named = new Set(direct.map(({ endpoint_id: id }) => id));
    const filters = groups.map((row) => endpointGroupView(row, request).filters);
    const shown = all.filter((row) => named.has(row.id) || filters.some((filter) => matchesFilters(filter, row)));
    return envelope(request, 'endpoints', shown.map((row) => endpointView(row, request)));
  }

  @Get('projects/:project/endpoint_groups') @Authorize('identity:list_endpoint_groups_for_project')
  async groups(@Param('project') project: string, @Req() request: FastifyRequest) {
    await findRow(this.db, 'projects', 'project', project);
    return envelope(request, 'endpoint_groups', (await this.groupsOf(project)).map((row) => endpointGroupView(row, request)));
  }

  @Put('projects/:project/endpoints/:endpoint') @Authorize('identity:add_endpoint_to_project') @HttpCode(204)
  async add(@Param('project') project: string, @Param('endpoint') endpoint: string): Promise<void> {
    await findRow(this.db, 'endpoints', 'endpoint', endpoint);
    await findRow(this.db, 'projects', 'project', project);
    await storing(this.db.insertInto('project_endpoints').ignore().values({ endpoint_id: endpoint, project_id: project }).execute(), '');
    this.catalog.invalidate();
  }

  @Head('projects/:project/endpoints/:endpoint') @Authorize('identity:check_endpoint_in_project') @HttpCode(204)
  async checkHead(@Param('project') project: string, @Param('endpoint') endpoint: string): Promise<void> {
    await this.check(project, endpoint);
  }

  @Get('projects/:project/endpoints/:endpoint') @Authorize('identity:check_endpoint_in_project') @HttpCode(204)
  async check(@Param('project') project: string, @Param('endpoint') endpoint: string): Promise<void> {
    await findRow(this.db, 'endpoints', 'endpoint', endpoint);
    await findRow(this.db, 'projects', 'project', project);
    const row = await this.db.selectFrom('project_endpoints').select('endpoint_id').where('project_id', '=', project).where('endpoint_id', '=', endpoint).executeTakeFirst();
    if (!row) throw notFound(`Endpoint ${endpoint} not found in project ${project}`);
  }

  @Delete('projects/:project/endpoints/:endpoint') @Authorize('identity:remove_endpoint_from_project') @HttpCode(204)
  async remove(@Param('project') project: string, @Param('endpoint') endpoint: string): Promise<void> {
    const result = await this.db.deleteFrom('project_endpoints').where('project_id', '=', project).where('endpoint_id', '=', endpoint).executeTakeFirst();
    if (result.numDeletedRows === 0n) throw notFound(`Endpoint ${endpoint} not found in project ${project}`);
    this.catalog.invalidate();
  }

  private groupsOf(project: string) {
    return this.db.selectFrom('endpoint_groups').selectAll('endpoint_groups').innerJoin('project_endpoint_groups as g', 'g.endpoint_group_id', 'endpoint_groups.id')
      .where('g.project_id', '=', project).orderBy('endpoint_groups.id').execute();
  }
}
