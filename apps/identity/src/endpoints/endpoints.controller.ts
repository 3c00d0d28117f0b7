import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Req } from '@nestjs/common';
import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { badRequest, newHexId } from '@virga/core';
import { Authorize, ValidBody, ValidQuery } from '@virga/rest';
import { Catalog } from '../catalog/catalog';
import { envelope, listRows, type ListSpec, type Query } from '../collection/list';
import { checkSameId, defined, extraOf, findRow, mergedExtra, missing, storing } from '../collection/rows';
import { AnyQuery, Description, Enabled, Id, Name255 } from '../collection/schema-parts';
import type { Db, EndpointRow } from '../db/tables';
import { CONFIG, DATABASE, type Settings } from '../injection';
import { endpointView } from './endpoint';

const Interface = Type.Union([Type.Literal('admin'), Type.Literal('internal'), Type.Literal('public')]);
const Url = Type.String({ minLength: 1, maxLength: 2048, format: 'text', pattern: '^[A-Za-z0-9+.-]+:.+' });
const RegionId = Type.Union([Type.String({ minLength: 1, maxLength: 255, format: 'text' }), Type.Null()]);
const attributes = {
  region_id: Type.Optional(RegionId), region: Type.Optional(RegionId), enabled: Type.Optional(Enabled),
  name: Type.Optional(Type.Union([Name255, Type.Literal(''), Type.Null()])), description: Type.Optional(Description),
};
const ATTRIBUTES = ['interface', 'url', 'service_id', 'region', 'region_id', 'enabled'];
const EndpointCreate = Type.Object({ endpoint: Type.Object({ interface: Interface, url: Url, service_id: Id, ...attributes }) });
type EndpointCreate = Static<typeof EndpointCreate>;
const EndpointUpdate = Type.Object({ endpoint: Type.Object({ interface: Type.Optional(Interface), url: Type.Optional(Url), service_id: Type.Optional(Id), ...attributes }) });
type EndpointUpdate = Static<typeof EndpointUpdate>;

const endpointList: ListSpec = {
  table: 'endpoints', columns: ['id', 'service_id', 'region_id', 'interface', 'url', 'enabled', 'extra'],
  exact: { interface: 'interface', service_id: 'service_id', region_id: 'region_id', region: 'region_id' }, flags: ['enabled'], texts: ['url'],
};

@Controller('v3/endpoints')
export class EndpointsController {
  constructor(@Inject(DATABASE) private readonly db: Db, @Inject(CONFIG) private readonly settings: Settings, @Inject(Catalog) private readonly catalog: Catalog) {}

  @Get() @Authorize('identity:list_endpoints')
  async list(@ValidQuery(AnyQuery) query: Query, @Req() request: FastifyRequest) {
    const { rows, next } = await listRows<EndpointRow>(this.db, endpointList, query, this.settings.listLimit);
    return envelope(request, 'endpoints', rows.map((row) => endpointView(row, request)), next);
  }

  @Post() @Authorize('identity:create_endpoint') @HttpCode(201)
  async create(@ValidBody(EndpointCreate) { endpoint }: EndpointCreate, @Req() request: FastifyRequest) {
    const row: EndpointRow = {
      id: newHexId(), service_id: endpoint.service_id, region_id: await this.region(endpoint) ?? null, interface: endpoint.interface, url: endpoint.url,
      enabled: endpoint.enabled ?? true, extra: JSON.stringify(extraOf(endpoint, ATTRIBUTES)),
    };
    await findRow(this.db, 'services', 'service', endpoint.service_id);
    await storing(this.db.insertInto('endpoints').values(row).execute(), '');
    this.catalog.invalidate();
    return { endpoint: endpointView(row, request) };
  }

  @Get(':id') @Authorize('identity:get_endpoint')
  async show(@Param('id') id: string, @Req() request: FastifyRequest) {
    return { endpoint: endpointView(await findRow<EndpointRow>(this.db, 'endpoints', 'endpoint', id), request) };
  }

  @Patch(':id') @Authorize('identity:update_endpoint')
  async update(@Param('id') id: string, @ValidBody(EndpointUpdate) { endpoint }: EndpointUpdate, @Req() request: FastifyRequest) {
    checkSameId('endpoint', id, endpoint);
    const row = await findRow<EndpointRow>(this.db, 'endpoints', 'endpoint', id);
    if (endpoint.service_id !== undefined) await findRow(this.db, 'services', 'service', endpoint.service_id);
    const changed: EndpointRow = {
      ...row,
      ...defined({ interface: endpoint.interface, url: endpoint.url, service_id: endpoint.service_id, enabled: endpoint.enabled, region_id: await this.region(endpoint) }),
      extra: mergedExtra(row.extra, endpoint, ATTRIBUTES),
    };
    await storing(this.db.updateTable('endpoints').where('id', '=', id).set(changed).execute(), '');
    this.catalog.invalidate();
    return { endpoint: endpointView(changed, request) };
  }

  @Delete(':id') @Authorize('identity:delete_endpoint') @HttpCode(204)
  async delete(@Param('id') id: string): Promise<void> {
    const result = await this.db.deleteFrom('endpoints').where('id', '=', id).executeTakeFirst();
    if (result.numDeletedRows === 0n) throw missing('endpoint', id);
    this.catalog.invalidate();
  }

  /** `region_id` must exist; the older `region` makes the region when it is missing, as in keystone. Undefined when neither is given. */
  private async region({ region_id, region }: { region_id?: string | null; region?: string | null }): Promise<string | null | undefined> {
    if (region_id === undefined) {
      if (typeof region === 'string') await this.db.insertInto('regions').ignore().values({ id: region, description: '', parent_region_id: null, extra: '{}' }).execute();
      return region;
    }
    if (region_id === null) return null;
    const known = await this.db.selectFrom('regions').select('id').where('id', '=', region_id).executeTakeFirst();
    if (!known) throw badRequest(`Could not find region: ${region_id}.`);
    return region_id;
  }
}
