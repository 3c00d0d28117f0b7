import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Put } from '@nestjs/common';
import type { Static } from '@sinclair/typebox';
import { badRequest, notFound, type RequestContext } from '@virga/core';
import { inTransaction } from '@virga/db';
import { Authorize, Caller, ValidBody } from '@virga/rest';
import { under } from '../microversions';
import { DB, type Db } from '../tokens';
import { getFlavor, type Flavor } from './flavor.repository';
import { CreateExtraSpecs, UpdateExtraSpec } from './flavor.schema';

@Controller(under('flavors/:id/os-extra_specs'))
export class FlavorExtraSpecsController {
  constructor(@Inject(DB) private readonly db: Db) {}

  @Get()
  @Authorize('os_compute_api:os-flavor-extra-specs:index')
  async list(@Param('id') id: string, @Caller() caller: RequestContext) {
    return { extra_specs: (await getFlavor(this.db, id, caller)).extra_specs };
  }

  @Post()
  @HttpCode(200)
  @Authorize('os_compute_api:os-flavor-extra-specs:create')
  async add(@Param('id') id: string, @Caller() caller: RequestContext, @ValidBody(CreateExtraSpecs) { extra_specs: specs }: Static<typeof CreateExtraSpecs>) {
    await this.set(await getFlavor(this.db, id, caller), specs);
    return { extra_specs: specs };
  }

  @Get(':key')
  @Authorize('os_compute_api:os-flavor-extra-specs:show')
  async show(@Param('id') id: string, @Param('key') key: string, @Caller() caller: RequestContext) {
    const { extra_specs: specs } = await getFlavor(this.db, id, caller);
    if (!Object.hasOwn(specs, key)) throw notFound(`Flavor ${id} has no extra specs with key ${key}.`);
    return { [key]: specs[key] };
  }

  @Put(':key')
  @Authorize('os_compute_api:os-flavor-extra-specs:update')
  async update(@Param('id') id: string, @Param('key') key: string, @Caller() caller: RequestContext, @ValidBody(UpdateExtraSpec) specs: Static<typeof UpdateExtraSpec>) {
    if (!Object.hasOwn(specs, key)) throw badRequest('Request body and URI mismatch');
    await this.set(await getFlavor(this.db, id, caller), specs);
    return specs;
  }

  @Delete(':key')
  @HttpCode(200)
  @Authorize('os_compute_api:os-flavor-extra-specs:delete')
  async remove(@Param('id') id: string, @Param('key') key: string, @Caller() caller: RequestContext) {
    const flavor = await getFlavor(this.db, id, caller);
    const { numDeletedRows } = await this.db.deleteFrom('flavor_extra_specs').where('flavor_id', '=', flavor.id).where('name', '=', key).executeTakeFirst();
    if (numDeletedRows === 0n) throw notFound(`Flavor ${id} has no extra specs with key ${key}.`);
  }

  private set(flavor: Flavor, specs: Record<string, string | number>): Promise<void> {
    return inTransaction(this.db, async (trx) => {
      for (const [name, value] of Object.entries(specs)) {
        const text = String(value);
        await trx.insertInto('flavor_extra_specs').values({ flavor_id: flavor.id, name, value: text }).onDuplicateKeyUpdate({ value: text }).execute();
        specs[name] = text;
      }
    });
  }
}
