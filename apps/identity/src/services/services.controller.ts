import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Req } from '@nestjs/common';
import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { newHexId } from '@virga/core';
import { Authorize, ValidBody, ValidQuery } from '@virga/rest';
import { Catalog } from '../catalog/catalog';
import { envelope, listRows, selfLink, type ListSpec, type Query } from '../collection/list';
import { checkSameId, defined, extraOf, findRow, mergedExtra, missing, parseObject } from '../collection/rows';
import { AnyQuery, Description, Enabled, Name255, nameOf } from '../collection/schema-parts';
import type { Db, ServiceRow } from '../db/tables';
import { CONFIG, DATABASE, type Settings } from '../injection';

const attributes = { name: Type.Optional(Type.Union([Name255, Type.Literal(''), Type.Null()])), description: Type.Optional(Description), enabled: Type.Optional(Enabled) };
const ATTRIBUTES = ['type', ...Object.keys(attributes)];
const ServiceCreate = Type.Object({ service: Type.Object({ type: nameOf(255), ...attributes }) });
type ServiceCreate = Static<typeof ServiceCreate>;
const ServiceUpdate = Type.Object({ service: Type.Object({ type: Type.Optional(nameOf(255)), ...attributes }) });
type ServiceUpdate = Static<typeof ServiceUpdate>;

const serviceList: ListSpec = {
  table: 'services', columns: ['id', 'type', 'name', 'description', 'enabled', 'extra'], exact: { type: 'type', name: 'name' }, flags: ['enabled'], texts: ['name', 'type'],
};
const serviceView = (row: ServiceRow, request: FastifyRequest) => ({
  ...parseObject(row.extra),
  name: row.name ?? '', id: row.id, type: row.type, enabled: Boolean(row.enabled), ...(row.description !== null && { description: row.description }),
  links: selfLink(request, `services/${row.id}`),
});

@Controller('v3/services')
export class ServicesController {
  constructor(@Inject(DATABASE) private readonly db: Db, @Inject(CONFIG) private readonly settings: Settings, @Inject(Catalog) private readonly catalog: Catalog) {}

  @Get() @Authorize('identity:list_services')
  async list(@ValidQuery(AnyQuery) query: Query, @Req() request: FastifyRequest) {
    const { rows, next } = await listRows<ServiceRow>(this.db, serviceList, query, this.settings.listLimit);
    return envelope(request, 'services', rows.map((row) => serviceView(row, request)), next);
  }

  @Post() @Authorize('identity:create_service') @HttpCode(201)
  async create(@ValidBody(ServiceCreate) { service }: ServiceCreate, @Req() request: FastifyRequest) {
    const row: ServiceRow = {
      id: newHexId(), type: service.type, name: service.name ?? null, description: service.description ?? null, enabled: service.enabled ?? true,
      extra: JSON.stringify(extraOf(service, ATTRIBUTES)),
    };
    await this.db.insertInto('services').values(row).execute();
    this.catalog.invalidate();
    return { service: serviceView(row, request) };
  }

  @Get(':id') @Authorize('identity:get_service')
  async show(@Param('id') id: string, @Req() request: FastifyRequest) {
    return { service: serviceView(await findRow<ServiceRow>(this.db, 'services', 'service', id), request) };
  }

  @Patch(':id') @Authorize('identity:update_service')
  async update(@Param('id') id: string, @ValidBody(ServiceUpdate) { service }: ServiceUpdate, @Req() request: FastifyRequest) {
    checkSameId('service', id, service);
    const row = await findRow<ServiceRow>(this.db, 'services', 'service', id);
    const changed: ServiceRow = {
      ...row, ...defined({ type: service.type, name: service.name, description: service.description, enabled: service.enabled }), extra: mergedExtra(row.extra, service, ATTRIBUTES),
    };
    await this.db.updateTable('services').where('id', '=', id).set(changed).execute();
    this.catalog.invalidate();
    return { service: serviceView(changed, request) };
  }

  @Delete(':id') @Authorize('identity:delete_service') @HttpCode(204)
  async delete(@Param('id') id: string): Promise<void> {
    const result = await this.db.deleteFrom('services').where('id', '=', id).executeTakeFirst();
    if (result.numDeletedRows === 0n) throw missing('service', id);
    this.catalog.invalidate();
  }
}
