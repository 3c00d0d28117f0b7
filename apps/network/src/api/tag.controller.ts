import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Put } from '@nestjs/common';
import { badRequest, CloudError, notFound, type RequestContext } from '@virga/core';
import { sql } from '@virga/db';
import { Authenticated, Caller } from '@virga/rest';
import { isOvnKind, queueSync } from '../ovn/sync-queue';
import type { Collection, Row, Trx } from './collection';
import { CollectionVerbs } from './verbs';

export const TAGGED = Symbol('virga.network.tagged');
/** Word in the path to the resource whose rows carry tags. */
export type Tagged = Record<string, Collection>;

const MAX_TAGS = 50;
const refuse = (message: string) => badRequest(message, { type: 'HTTPBadRequest' });
const tagsOf = (row: Row): string[] => JSON.parse(row.tags as string) as string[];
const tagMissing = (tag: string) => notFound(`Tag ${tag} could not be found.`, { type: 'TagNotFound' });

function readTag(tag: unknown): string {
  if (typeof tag !== 'string' || tag.length === 0 || tag.length > 255) throw refuse(`Invalid input for tags. Reason: a tag has 1 to 255 characters.`);
  return tag;
}

/** Tags of any resource; who may change the resource may tag it. */
@Controller('v2.0/:resource/:id/tags')
@Authenticated()
export class TagController {
  constructor(@Inject(TAGGED) private readonly tagged: Tagged, @Inject(CollectionVerbs) private readonly verbs: CollectionVerbs) {}

  @Get()
  async list(@Caller() caller: RequestContext, @Param('resource') resource: string, @Param('id') id: string) {
    return { tags: tagsOf(await this.verbs.row(this.verbs.db, this.collection(resource), caller, id)) };
  }

  @Get(':tag')
  @HttpCode(204)
  async check(@Caller() caller: RequestContext, @Param('resource') resource: string, @Param('id') id: string, @Param('tag') tag: string): Promise<void> {
    if (!tagsOf(await this.verbs.row(this.verbs.db, this.collection(resource), caller, id)).includes(tag)) throw tagMissing(tag);
  }

  @Put()
  async replace(@Caller() caller: RequestContext, @Param('resource') resource: string, @Param('id') id: string, @Body() body: { tags?: unknown } | null) {
    if (!Array.isArray(body?.tags)) throw refuse("Unable to find 'tags' in request body");
    const tags = [...new Set((body.tags as unknown[]).map(readTag))];
    await this.change(caller, resource, id, () => tags);
    return { tags };
  }

  @Put(':tag')
  @HttpCode(201)
  async add(@Caller() caller: RequestContext, @Param('resource') resource: string, @Param('id') id: string, @Param('tag') tag: string): Promise<void> {
    await this.change(caller, resource, id, (tags) => [...new Set([...tags, readTag(tag)])]);
  }

  @Delete()
  @HttpCode(204)
  async clear(@Caller() caller: RequestContext, @Param('resource') resource: string, @Param('id') id: string): Promise<void> {
    await this.change(caller, resource, id, () => []);
  }

  @Delete(':tag')
  @HttpCode(204)
  async removeTag(@Caller() caller: RequestContext, @Param('resource') resource: string, @Param('id') id: string, @Param('tag') tag: string): Promise<void> {
    await this.change(caller, resource, id, (tags) => {
      if (!tags.includes(tag)) throw tagMissing(tag);
      return tags.filter((other) => other !== tag);
    });
  }

  private collection(resource: string): Collection {
    if (!Object.hasOwn(this.tagged, resource)) throw new CloudError('routeNotFound', 'The resource could not be found.');
    return this.tagged[resource]!;
  }

  private async change(caller: RequestContext, resource: string, id: string, edit: (tags: string[]) => string[]): Promise<void> {
    const collection = this.collection(resource);
    await this.verbs.change(collection, caller, id, {}, async (trx: Trx, row) => {
      const tags = edit(tagsOf(row)).sort();
      if (tags.length > MAX_TAGS) throw refuse(`Invalid input for tags. Reason: a resource has at most ${MAX_TAGS} tags.`);
      await sql`update ${sql.table(collection.table)} set tags = ${JSON.stringify(tags)}, revision_number = revision_number + 1, updated_at = now(3) where id = ${row.id}`.execute(trx);
      if (isOvnKind(collection.singular)) await queueSync(trx, collection.singular, row.id);
    });
  }
}
