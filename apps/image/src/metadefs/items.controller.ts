import { Body, Controller, Delete, Get, Headers, HttpCode, Inject, Param, Post, Put } from '@nestjs/common';
import type { Static } from '@sinclair/typebox';
import { CloudError, badRequest, forbidden, type RequestContext } from '@virga/core';
import { Authorize, Caller, ValidQuery, checkInput, FAULT_STYLES, readPage } from '@virga/rest';
import { CONFIG, type ImageConfig } from '../config';
import { ListQuery } from '../images/image.schema';
import { COLLECTION_VIEWS, ITEM_BODIES, ITEM_VIEWS, TagsBody, type ItemBody, type Kind, type NamespaceRow } from './metadef';
import { MetadefRepository } from './metadef.repository';

const COLLECTIONS: Record<string, Kind> = { objects: 'object', properties: 'property', tags: 'tag', resource_types: 'resource_type' };
const single = (value: string | string[] | undefined): string | undefined => [value].flat()[0];
const absent = () => new CloudError('routeNotFound', 'The resource could not be found.');

/** What is in a namespace: objects, properties, tags, and the types of resources that it is for. */
@Controller('v2/metadefs/namespaces/:namespace')
export class MetadefItemsController {
  constructor(@Inject(MetadefRepository) private readonly metadefs: MetadefRepository, @Inject(CONFIG) private readonly config: ImageConfig) {}

  @Get(':collection') @Authorize('get_metadef_namespace')
  async list(@Caller() caller: RequestContext, @Param('namespace') namespace: string, @Param('collection') collection: string, @ValidQuery(ListQuery) query: Static<typeof ListQuery>) {
    const kind = kindOf(collection);
    await this.metadefs.namespace(caller, namespace);
    const { limit, marker } = readPage({ limit: single(query['limit']), marker: single(query['marker']) }, this.config.VIRGA_IMAGE_PAGE_LIMIT);
    const rows = await this.metadefs.items(namespace, kind);
    if (marker !== undefined) await this.metadefs.item(namespace, kind, marker);
    const shown = rows.filter(({ name }) => marker === undefined || name > marker).slice(0, limit);
    const { key, schema, view } = COLLECTION_VIEWS[kind];
    return { [key]: view(shown), ...(schema !== undefined && { schema }) };
  }

  @Post(':collection') @Authorize('modify_metadef_namespace')
  async create(
    @Caller() caller: RequestContext, @Param('namespace') namespace: string, @Param('collection') collection: string, @Body() body: unknown,
    @Headers('x-openstack-append') append: string | undefined,
  ) {
    const kind = kindOf(collection);
    await this.metadefs.namespace(caller, namespace);
    if (kind !== 'tag') return ITEM_VIEWS[kind](await this.metadefs.addItem(namespace, kind, this.checked(kind, body)));
    checkInput(TagsBody, body, FAULT_STYLES.image);
    const { tags } = body as { tags: ItemBody[] };
    await this.metadefs.writeAll(namespace, kind, tags, append?.toLowerCase() === 'true');
    return { tags: tags.map(({ name }) => ({ name })) };
  }

  @Delete(':collection') @Authorize('modify_metadef_namespace') @HttpCode(204)
  async clear(@Caller() caller: RequestContext, @Param('namespace') namespace: string, @Param('collection') collection: string): Promise<void> {
    const kind = kindOf(collection);
    if (kind === 'resource_type') throw absent();
    refuseProtected(await this.metadefs.namespace(caller, namespace));
    await this.metadefs.writeAll(namespace, kind, [], false);
  }

  /** A tag is made by its name alone. */
  @Post('tags/:name') @Authorize('modify_metadef_namespace')
  async createTag(@Caller() caller: RequestContext, @Param('namespace') namespace: string, @Param('name') name: string) {
    await this.metadefs.namespace(caller, namespace);
    return ITEM_VIEWS.tag(await this.metadefs.addItem(namespace, 'tag', this.checked('tag', { name })));
  }

  @Get(':collection/:name') @Authorize('get_metadef_namespace')
  async show(@Caller() caller: RequestContext, @Param('namespace') namespace: string, @Param('collection') collection: string, @Param('name') name: string) {
    const kind = kindOf(collection);
    if (kind === 'resource_type') throw absent();
    await this.metadefs.namespace(caller, namespace);
    return ITEM_VIEWS[kind](await this.metadefs.item(namespace, kind, name));
  }

  @Put(':collection/:name') @Authorize('modify_metadef_namespace')
  async replace(@Caller() caller: RequestContext, @Param('namespace') namespace: string, @Param('collection') collection: string, @Param('name') name: string, @Body() body: unknown) {
    const kind = kindOf(collection);
    if (kind === 'resource_type') throw absent();
    await this.metadefs.namespace(caller, namespace);
    const given = this.checked(kind, body);
    return ITEM_VIEWS[kind](await this.metadefs.replaceItem(await this.metadefs.item(namespace, kind, name), given));
  }

  @Delete(':collection/:name') @Authorize('modify_metadef_namespace') @HttpCode(204)
  async remove(@Caller() caller: RequestContext, @Param('namespace') namespace: string, @Param('collection') collection: string, @Param('name') name: string): Promise<void> {
    const kind = kindOf(collection);
    refuseProtected(await this.metadefs.namespace(caller, namespace));
    await this.metadefs.removeItem(await this.metadefs.item(namespace, kind, name));
  }

  private checked(kind: Kind, body: unknown): ItemBody {
    if (typeof body !== 'object' || body === null) throw badRequest(FAULT_STYLES.image.malformedBody);
    checkInput(ITEM_BODIES[kind], body, FAULT_STYLES.image);
    return body as ItemBody;
  }
}

function kindOf(collection: string): Kind {
  const kind = Object.hasOwn(COLLECTIONS, collection) ? COLLECTIONS[collection] : undefined;
  if (kind === undefined) throw absent();
  return kind;
}

function refuseProtected(row: NamespaceRow): void {
  if (row.protected) throw forbidden(`Metadata definition namespace ${row.namespace} is protected and cannot be changed.`);
}
