import { Body, Delete, Get, Headers, HttpCode, Param, Post, Put, Query, Req } from '@nestjs/common';
import { badRequest, CloudError, type RequestContext } from '@virga/core';
import { Authenticated, Caller, withQuery, type FastifyRequest } from '@virga/rest';
import type { Collection, View } from './collection';
import type { Query as ListQuery } from './listing';
import type { CollectionVerbs } from './verbs';

/** `If-Match: revision_number=N`: the change is made only to that revision. */
function readRevision(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const match = /^"?revision_number=(\d{1,10})"?$/.exec(header.trim());
  if (!match) throw badRequest(`Invalid value for If-Match header: ${header.slice(0, 100)}`, { type: 'HTTPBadRequest' });
  return Number(match[1]);
}

/**
 * The five routes of a resource. Who may do it depends on the resource's owner and on the attributes that are set, so
 * the verbs decide (`CollectionVerbs.enforce`) and not a rule on the route.
 */
@Authenticated()
export abstract class CollectionController {
  protected constructor(protected readonly collection: Collection, protected readonly verbs: CollectionVerbs) {}

  @Get()
  async list(@Caller() caller: RequestContext, @Query() query: ListQuery, @Req() request: FastifyRequest): Promise<View> {
    const { views, page } = await this.verbs.list(this.collection, caller, query);
    const links = [
      ...(page.next ? [{ rel: 'next', href: withQuery(request, { marker: page.next, page_reverse: undefined }) }] : []),
      ...(page.previous ? [{ rel: 'previous', href: withQuery(request, { marker: page.previous, page_reverse: 'True' }) }] : []),
    ];
    return { [this.collection.plural]: views, ...(links.length > 0 && { [`${this.collection.plural}_links`]: links }) };
  }

  @Get(':id')
  async show(@Caller() caller: RequestContext, @Param('id') id: string, @Query() query: ListQuery): Promise<View> {
    return { [this.collection.singular]: await this.verbs.show(this.collection, caller, id, query) };
  }

  @Post()
  @HttpCode(201)
  create(@Caller() caller: RequestContext, @Body() body: unknown): Promise<View> {
    return this.verbs.create(this.collection, caller, body);
  }

  @Put(':id')
  async update(@Caller() caller: RequestContext, @Param('id') id: string, @Body() body: unknown, @Headers('if-match') revision: string | undefined): Promise<View> {
    if (!this.collection.update) throw new CloudError('routeNotFound', 'The resource could not be found.');
    return { [this.collection.singular]: await this.verbs.update(this.collection, caller, id, body, readRevision(revision)) };
  }

  @Delete(':id')
  @HttpCode(204)
  async remove(@Caller() caller: RequestContext, @Param('id') id: string, @Headers('if-match') revision: string | undefined): Promise<void> {
    await this.verbs.remove(this.collection, caller, id, readRevision(revision));
  }
}
