import { Controller, Delete, Get, HttpCode, Inject, Param, Put, Req, Res } from '@nestjs/common';
import { Type, type Static } from '@sinclair/typebox';
import { badRequest, notFound, type RequestContext } from '@virga/core';
import { inTransaction } from '@virga/db';
import { Authorize, baseUrl, Caller, FAULT_STYLES, checkInput, ValidBody, type FastifyReply, type FastifyRequest } from '@virga/rest';
import { Served, under } from '../../microversions';
import { DB, type Db } from '../../tokens';
import { lockServer } from '../change-guard';
import { Tag } from '../create-server.schema';
import { getInstance } from '../server.repository';

const MAX_TAGS = 50;
const Tags = Type.Object({ tags: Type.Array(Tag, { maxItems: MAX_TAGS }) }, { additionalProperties: false });

@Controller(under('servers/:id/tags'))
export class ServerTagsController {
  constructor(@Inject(DB) private readonly db: Db) {}

  @Get()
  @Served(26)
  @Authorize('os_compute_api:os-server-tags:index')
  async list(@Param('id') id: string, @Caller() caller: RequestContext) {
    await getInstance(this.db, caller, id);
    const rows = await this.db.selectFrom('instance_tags').select('tag').where('instance_id', '=', id).orderBy('tag').execute();
    return { tags: rows.map(({ tag }) => tag) };
  }

  @Get(':tag')
  @Served(26)
  @HttpCode(204)
  @Authorize('os_compute_api:os-server-tags:show')
  async show(@Param('id') id: string, @Param('tag') tag: string, @Caller() caller: RequestContext) {
    await getInstance(this.db, caller, id);
    const row = await this.db.selectFrom('instance_tags').select('tag').where('instance_id', '=', id).where('tag', '=', tag).executeTakeFirst();
    if (!row) throw notFound(`Server ${id} has no tag '${tag}'`);
  }

  @Put()
  @Served(26)
  @Authorize('os_compute_api:os-server-tags:update_all')
  replace(@Param('id') id: string, @Caller() caller: RequestContext, @ValidBody(Tags) body: Static<typeof Tags>) {
    const tags = [...new Set(body.tags)].sort();
    return inTransaction(this.db, async (trx) => {
      await lockServer(trx, caller, id, { action: 'update tags', whileTask: true, ignoreLock: true });
      await trx.deleteFrom('instance_tags').where('instance_id', '=', id).execute();
      if (tags.length > 0) await trx.insertInto('instance_tags').values(tags.map((tag) => ({ instance_id: id, tag }))).execute();
      return { tags };
    });
  }

  @Put(':tag')
  @Served(26)
  @Authorize('os_compute_api:os-server-tags:update')
  async add(@Param('id') id: string, @Param('tag') tag: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    checkInput(Tag, tag, FAULT_STYLES.compute);
    const added = await inTransaction(this.db, async (trx) => {
      await lockServer(trx, caller, id, { action: 'update tag', whileTask: true, ignoreLock: true });
      const present = await trx.selectFrom('instance_tags').select('tag').where('instance_id', '=', id).execute();
      if (present.some((row) => row.tag === tag)) return false;
      if (present.length >= MAX_TAGS) throw badRequest(`The number of tags exceeded the per-server limit ${MAX_TAGS}`);
      await trx.insertInto('instance_tags').values({ instance_id: id, tag }).execute();
      return true;
    });
    if (added) void reply.header('Location', `${baseUrl(request)}/v2.1/servers/${id}/tags/${encodeURIComponent(tag)}`);
    void reply.status(added ? 201 : 204);
  }

  @Delete(':tag')
  @Served(26)
  @HttpCode(204)
  @Authorize('os_compute_api:os-server-tags:delete')
  async remove(@Param('id') id: string, @Param('tag') tag: string, @Caller() caller: RequestContext) {
    await inTransaction(this.db, async (trx) => {
      await lockServer(trx, caller, id, { action: 'delete tag', whileTask: true, ignoreLock: true });
      const { numDeletedRows } = await trx.deleteFrom('instance_tags').where('instance_id', '=', id).where('tag', '=', tag).executeTakeFirst();
      if (numDeletedRows === 0n) throw notFound(`Server ${id} has no tag '${tag}'`);
    });
  }

  @Delete()
  @Served(26)
  @HttpCode(204)
  @Authorize('os_compute_api:os-server-tags:delete_all')
  async removeAll(@Param('id') id: string, @Caller() caller: RequestContext) {
    await inTransaction(this.db, async (trx) => {
      await lockServer(trx, caller, id, { action: 'delete tags', whileTask: true, ignoreLock: true });
      await trx.deleteFrom('instance_tags').where('instance_id', '=', id).execute();
    });
  }
}
