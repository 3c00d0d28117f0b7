import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Put, Req } from '@nestjs/common';
import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { badRequest, conflict, newHexId } from '@virga/core';
import { inTransaction, isForeignKeyViolation } from '@virga/db';
import { Authorize, ValidBody, ValidQuery } from '@virga/rest';
import { Catalog } from '../catalog/catalog';
import { envelope, listRows, selfLink, type ListSpec, type Query } from '../collection/list';
import { checkSameId, extraOf, findRow, mergedExtra, missing, parseObject, storing } from '../collection/rows';
import { AnyQuery, Description } from '../collection/schema-parts';
import type { Db, Exec, RegionRow } from '../db/tables';
import { CONFIG, DATABASE, type Settings } from '../injection';

const MAX_REGION_ID = 255;
const RegionId = Type.String({ minLength: 1, maxLength: MAX_REGION_ID, format: 'text' });
const ParentId = Type.Union([RegionId, Type.Null()]);
const RegionCreate = Type.Object({ region: Type.Object({ id: Type.Optional(Type.String({ maxLength: MAX_REGION_ID, format: 'text' })), description: Type.Optional(Description), parent_region_id: Type.Optional(ParentId) }) });
type RegionCreate = Static<typeof RegionCreate>;
const RegionUpdate = Type.Object({ region: Type.Object({ description: Type.Optional(Description), parent_region_id: Type.Optional(ParentId) }) });
type RegionUpdate = Static<typeof RegionUpdate>;
const ATTRIBUTES = ['description', 'parent_region_id'];

const regionList: ListSpec = {
  table: 'regions', columns: ['id', 'description', 'parent_region_id', 'extra'], exact: { parent_region_id: 'parent_region_id' }, texts: ['description'],
};
const regionView = (row: RegionRow, request: FastifyRequest) => ({
  ...parseObject(row.extra),
  id: row.id, description: row.description, parent_region_id: row.parent_region_id, links: selfLink(request, `regions/${encodeURIComponent(row.id)}`),
});

@Controller('v3/regions')
export class RegionsController {
  constructor(@Inject(DATABASE) private readonly db: Db, @Inject(CONFIG) private readonly settings: Settings, @Inject(Catalog) private readonly catalog: Catalog) {}

  @Get() @Authorize('identity:list_regions')
  async list(@ValidQuery(AnyQuery) query: Query, @Req() request: FastifyRequest) {
    const { rows, next } = await listRows<RegionRow>(this.db, regionList, query, this.settings.listLimit);
    return envelope(request, 'regions', rows.map((row) => regionView(row, request)), next);
  }

  @Post() @Authorize('identity:create_region') @HttpCode(201)
  create(@ValidBody(RegionCreate) { region }: RegionCreate, @Req() request: FastifyRequest) {
    return this.insert(region.id ? region.id : newHexId(), region, request);
  }

  /** As POST, with the id in the path. */
  @Put(':id') @Authorize('identity:create_region') @HttpCode(201)
  createAt(@Param('id') id: string, @ValidBody(RegionCreate) { region }: RegionCreate, @Req() request: FastifyRequest) {
    if (region.id && region.id !== id) throw badRequest('Conflicting region IDs specified: "url_id" != "ref_id"');
    if (id.length > MAX_REGION_ID) throw badRequest(`A region's id has at most ${MAX_REGION_ID} characters.`);
    return this.insert(id, region, request);
  }

  @Get(':id') @Authorize('identity:get_region')
  async show(@Param('id') id: string, @Req() request: FastifyRequest) {
    return { region: regionView(await findRow<RegionRow>(this.db, 'regions', 'region', id), request) };
  }

  @Patch(':id') @Authorize('identity:update_region')
  async update(@Param('id') id: string, @ValidBody(RegionUpdate) { region }: RegionUpdate, @Req() request: FastifyRequest) {
    checkSameId('region', id, region);
    const row = await inTransaction(this.db, async (trx) => {
      const old = await findRow<RegionRow>(trx, 'regions', 'region', id);
      const parent = region.parent_region_id === undefined ? old.parent_region_id : region.parent_region_id;
      await checkParent(trx, id, parent);
      const changed: RegionRow = { ...old, parent_region_id: parent, description: region.description === undefined ? old.description : region.description ?? '', extra: mergedExtra(old.extra, region, ATTRIBUTES) };
      await trx.updateTable('regions').where('id', '=', id).set(changed).execute();
      return changed;
    });
    this.catalog.invalidate();
    return { region: regionView(row, request) };
  }

  @Delete(':id') @Authorize('identity:delete_region') @HttpCode(204)
  async delete(@Param('id') id: string): Promise<void> {
    try {
      const result = await this.db.deleteFrom('regions').where('id', '=', id).executeTakeFirst();
      if (result.numDeletedRows === 0n) throw missing('region', id);
    } catch (error) {
      if (isForeignKeyViolation(error)) throw conflict(`Unable to delete region ${id} because it or its child regions have associated endpoints.`);
      throw error;
    }
    this.catalog.invalidate();
  }

  private async insert(id: string, region: RegionCreate['region'], request: FastifyRequest) {
    const row: RegionRow = { id, description: region.description ?? '', parent_region_id: region.parent_region_id ?? null, extra: JSON.stringify(extraOf(region, ATTRIBUTES)) };
    await checkParent(this.db, id, row.parent_region_id);
    await storing(this.db.insertInto('regions').values(row).execute(), `Conflict occurred attempting to store region - Duplicate ID, ${id}.`, `Could not find region: ${row.parent_region_id}.`);
    this.catalog.invalidate();
    return { region: regionView(row, request) };
  }
}

/** 404 for a parent that is not there, 400 for a circle. */
async function checkParent(db: Exec, id: string, parentId: string | null): Promise<void> {
  const seen = new Set([id]);
  for (let at = parentId; at !== null;) {
    if (seen.has(at)) throw badRequest(`Circular reference found in regions: ${id}.`);
    seen.add(at);
    at = (await findRow<RegionRow>(db, 'regions', 'region', at)).parent_region_id;
  }
}
