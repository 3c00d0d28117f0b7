import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Put } from '@nestjs/common';
import { Type, type Static } from '@sinclair/typebox';
import { badRequest, CloudError, notFound, type RequestContext } from '@virga/core';
import { inTransaction, type Executor, type Transaction } from '@virga/db';
import { Authorize, Caller, ValidBody } from '@virga/rest';
import { under } from '../../microversions';
import type { ComputeDb } from '../../db/schema';
import { dbNow } from '../../db/time';
import { readLimits } from '../../quotas/quota-limits';
import { DB, type Db } from '../../tokens';
import { lockServer } from '../change-guard';
import { MetadataItems } from '../create-server.schema';
import { getInstance } from '../server.repository';

const strict = { additionalProperties: false };
const Metadata = Type.Object({ metadata: MetadataItems }, strict);
const Meta = Type.Object({ meta: Type.Record(Type.String({ pattern: '^[a-zA-Z0-9-_:. ]{1,255}$' }), Type.String({ maxLength: 255 }), { ...strict, minProperties: 1, maxProperties: 1 }) }, strict);

async function readMetadata(db: Executor<ComputeDb>, id: string): Promise<Record<string, string>> {
  const rows = await db.selectFrom('instance_metadata').select(['name', 'value']).where('instance_id', '=', id).orderBy('name').execute();
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

@Controller(under('servers/:id/metadata'))
export class ServerMetadataController {
  constructor(@Inject(DB) private readonly db: Db) {}

  @Get()
  @Authorize('os_compute_api:server-metadata:index')
  async list(@Param('id') id: string, @Caller() caller: RequestContext) {
    await getInstance(this.db, caller, id);
    return { metadata: await readMetadata(this.db, id) };
  }

  @Post()
  @HttpCode(200)
  @Authorize('os_compute_api:server-metadata:create')
  add(@Param('id') id: string, @Caller() caller: RequestContext, @ValidBody(Metadata) { metadata }: Static<typeof Metadata>) {
    return this.change(id, caller, 'update metadata', async () => metadata);
  }

  @Put()
  @Authorize('os_compute_api:server-metadata:update_all')
  replace(@Param('id') id: string, @Caller() caller: RequestContext, @ValidBody(Metadata) { metadata }: Static<typeof Metadata>) {
    return this.change(id, caller, 'update metadata', async (trx) => {
      await trx.deleteFrom('instance_metadata').where('instance_id', '=', id).execute();
      return metadata;
    });
  }

  @Get(':key')
  @Authorize('os_compute_api:server-metadata:show')
  async show(@Param('id') id: string, @Param('key') key: string, @Caller() caller: RequestContext) {
    await getInstance(this.db, caller, id);
    const metadata = await readMetadata(this.db, id);
    if (!Object.hasOwn(metadata, key)) throw notFound('Metadata item was not found');
    return { meta: { [key]: metadata[key] } };
  }

  @Put(':key')
  @Authorize('os_compute_api:server-metadata:update')
  async set(@Param('id') id: string, @Param('key') key: string, @Caller() caller: RequestContext, @ValidBody(Meta) { meta }: Static<typeof Meta>) {
    if (!Object.hasOwn(meta, key)) throw badRequest('Request body and URI mismatch');
    await this.change(id, caller, 'update metadata', async () => meta);
    return { meta };
  }

  @Delete(':key')
  @HttpCode(204)
  @Authorize('os_compute_api:server-metadata:delete')
  async remove(@Param('id') id: string, @Param('key') key: string, @Caller() caller: RequestContext) {
    await this.change(id, caller, 'delete metadata', async (trx) => {
      const { numDeletedRows } = await trx.deleteFrom('instance_metadata').where('instance_id', '=', id).where('name', '=', key).executeTakeFirst();
      if (numDeletedRows === 0n) throw notFound('Metadata item was not found');
      return {};
    });
  }

  private change(id: string, caller: RequestContext, action: string, prepare: (trx: Transaction<ComputeDb>) => Promise<Record<string, string>>) {
    return inTransaction(this.db, async (trx) => {
      const row = await lockServer(trx, caller, id, { action });
      const values = Object.entries(await prepare(trx)).map(([name, value]) => ({ instance_id: id, name, value }));
      for (const item of values) await trx.insertInto('instance_metadata').values(item).onDuplicateKeyUpdate({ value: item.value }).execute();
      const metadata = await readMetadata(trx, id);
      const { metadata_items: limit } = await readLimits(trx, row.project_id, row.user_id);
      if (limit >= 0 && values.length > 0 && Object.keys(metadata).length > limit) throw new CloudError('overQuota', `Maximum number of metadata items exceeds ${limit}`, { status: 403 });
      await trx.updateTable('instances').set({ updated_at: dbNow }).where('id', '=', id).execute();
      return { metadata };
    });
  }
}
