import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Query, Req } from '@nestjs/common';
import { Type } from '@sinclair/typebox';
import { badRequest, type RequestContext } from '@virga/core';
import { Authorize, Caller, readPage, readSort, ValidBody, ValidQuery, Version, withQuery, type BodyOf, type FastifyRequest, type Microversion } from '@virga/rest';
import { Served, under } from '../microversions';
import { DB, SETTINGS, type ComputeSettings, type Db } from '../tokens';
import { CreateFlavor, UpdateFlavor } from './flavor.schema';
import { createFlavor, deleteFlavor, findFlavor, FLAVOR_SORT_KEYS, getFlavor, listFlavors } from './flavor.repository';
import { flavorBrief, flavorDetail } from './flavor.view';
import { readBoolean } from '../booleans';

const ListQuery = Type.Object({
  limit: Type.Optional(Type.String({ pattern: '^[0-9]+$' })),
  marker: Type.Optional(Type.String()),
});

@Controller(under('flavors'))
export class FlavorsController {
  constructor(@Inject(DB) private readonly db: Db, @Inject(SETTINGS) private readonly settings: ComputeSettings) {}

  @Get()
  @Authorize('os_compute_api:flavors:list')
  list(@Caller() caller: RequestContext, @Version() version: Microversion, @Query() query: Record<string, string>, @ValidQuery(ListQuery) _checked: unknown, @Req() request: FastifyRequest) {
    return this.answer(caller, version, query, request, flavorBrief);
  }

  @Get('detail')
  @Authorize('os_compute_api:flavors:list')
  detail(@Caller() caller: RequestContext, @Version() version: Microversion, @Query() query: Record<string, string>, @ValidQuery(ListQuery) _checked: unknown, @Req() request: FastifyRequest) {
    return this.answer(caller, version, query, request, flavorDetail);
  }

  @Get(':id')
  @Authorize('os_compute_api:flavors:list')
  async show(@Param('id') id: string, @Caller() caller: RequestContext, @Version() version: Microversion, @Req() request: FastifyRequest) {
    return { flavor: flavorDetail(await getFlavor(this.db, id, caller), version.minor, request) };
  }

  @Post()
  @HttpCode(200)
  @Authorize('os_compute_api:os-flavor-manage:create')
  async create(@Caller() caller: RequestContext, @Version() version: Microversion, @ValidBody(CreateFlavor) body: BodyOf<typeof CreateFlavor>, @Req() request: FastifyRequest) {
    const { flavor } = body;
    const number = (value: string | number | undefined, field: string): number => {
      const read = Number(value ?? 0);
      if (read > 0x7fffffff) throw badRequest(`Invalid input for field/attribute ${field}. Value: ${read}. ${read} is greater than the maximum of 2147483647`);
      return read;
    };
    const positive = (value: string | number, field: string): number => {
      const read = number(value, field);
      if (read < 1) throw badRequest(`Invalid input for field/attribute ${field}. Value: ${read}. ${read} is less than the minimum of 1`);
      return read;
    };
    const rxtx = Number(flavor.rxtx_factor ?? 1);
    if (!(rxtx > 0)) throw badRequest(`'rxtx_factor' argument must be a positive integer or float`);
    const isPublic = readBoolean(flavor['os-flavor-access:is_public'] ?? true)!;
    const flavorid = await createFlavor(this.db, {
      flavorid: flavor.id === undefined || flavor.id === null || flavor.id === 'auto' ? undefined : String(flavor.id),
      name: flavor.name,
      vcpus: positive(flavor.vcpus, 'vcpus'),
      memory_mb: positive(flavor.ram, 'ram'),
      root_gb: number(flavor.disk, 'disk'),
      ephemeral_gb: number(flavor['OS-FLV-EXT-DATA:ephemeral'], 'OS-FLV-EXT-DATA:ephemeral'),
      swap_mb: number(flavor.swap, 'swap'),
      rxtx_factor: rxtx,
      is_public: isPublic,
      description: (flavor as { description?: string | null }).description ?? null,
    });
    return { flavor: flavorDetail(await getFlavor(this.db, flavorid, caller), version.minor, request) };
  }

  @Put(':id')
  @Served(55)
  @Authorize('os_compute_api:os-flavor-manage:update')
  async update(@Param('id') id: string, @Caller() caller: RequestContext, @Version() version: Microversion, @ValidBody(UpdateFlavor) body: BodyOf<typeof UpdateFlavor>, @Req() request: FastifyRequest) {
    const flavor = await getFlavor(this.db, id, caller);
    await this.db.updateTable('flavors').set({ description: body.flavor.description }).where('id', '=', flavor.id).execute();
    return { flavor: flavorDetail({ ...flavor, description: body.flavor.description }, version.minor, request) };
  }

  @Delete(':id')
  @HttpCode(202)
  @Authorize('os_compute_api:os-flavor-manage:delete')
  async remove(@Param('id') id: string) {
    await deleteFlavor(this.db, id);
  }

  private async answer(caller: RequestContext, version: Microversion, query: Record<string, string>, request: FastifyRequest, view: typeof flavorDetail) {
    const page = readPage(query, this.settings.maxLimit);
    const sort = readSort(query, FLAVOR_SORT_KEYS, [['flavorid', 'asc']]);
    const marker = page.marker === undefined ? undefined : await findFlavor(this.db, page.marker, caller);
    if (page.marker !== undefined && !marker) throw badRequest(`marker [${page.marker}] not found`);
    const flavors = await listFlavors(this.db, caller, {
      minRam: amount(query.minRam, 'minRam'), minDisk: amount(query.minDisk, 'minDisk'), isPublic: visibility(query.is_public), sort, limit: page.limit, marker,
    });
    const last = flavors.at(-1);
    const more = last !== undefined && flavors.length === page.limit && (query.limit !== undefined || flavors.length === this.settings.maxLimit);
    return {
      flavors: flavors.map((flavor) => view(flavor, version.minor, request)),
      ...(more && { flavors_links: [{ rel: 'next', href: withQuery(request, { marker: last.flavorid }) }] }),
    };
  }
}

function amount(value: string | undefined, name: string): number {
  if (value === undefined) return 0;
  if (!/^\d{1,10}$/.test(value)) throw badRequest(`Invalid ${name} filter [${value}]`);
  return Number(value);
}

/** `is_public=None` lists all flavors; without it administrators see the public ones, as others do. */
function visibility(value: string | undefined): boolean | null {
  if (value === undefined) return true;
  if (value.toLowerCase() === 'none') return null;
  const read = readBoolean(value);
  if (read === undefined) throw badRequest(`Invalid is_public filter [${value}]`);
  return read;
}
