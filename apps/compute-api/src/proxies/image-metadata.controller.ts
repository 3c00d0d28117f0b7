import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Put } from '@nestjs/common';
import { Type } from '@sinclair/typebox';
import { badRequest, CloudError, notFound, type RequestContext } from '@virga/core';
import { Authenticated, Authorize, Caller, ValidBody } from '@virga/rest';
import { Served, under } from '../microversions';
import { readLimits } from '../quotas/quota-limits';
import { MetadataItems } from '../servers/create-server.schema';
import { DB, NEIGHBOUR_APIS, type Db } from '../tokens';
import { findImage, imageRefused } from './images.controller';
import { metadataOf, type ImageDocument } from './image.view';
import { segment, type NeighbourApis } from './neighbour-api';

const Metadata = Type.Object({ metadata: MetadataItems }, { additionalProperties: false });
const Item = Type.Object({ meta: MetadataItems }, { additionalProperties: false });
interface Patch { op: 'add' | 'replace' | 'remove'; path: string; value?: string }
const pointer = (name: string): string => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;

/** An image's properties as compute's metadata, until 2.38. Whose images may be seen and changed is decided by the image service. */
@Controller(under('images/:id/metadata'))
export class ImageMetadataController {
  constructor(@Inject(NEIGHBOUR_APIS) private readonly apis: NeighbourApis, @Inject(DB) private readonly db: Db) {}

  @Get()
  @Served(1, 38)
  @Authenticated()
  async list(@Param('id') id: string, @Caller() caller: RequestContext) {
    return { metadata: metadataOf(await this.find(caller, id)) };
  }

  @Get(':key')
  @Served(1, 38)
  @Authenticated()
  async show(@Param('id') id: string, @Param('key') key: string, @Caller() caller: RequestContext) {
    return { meta: { [key]: this.value(await this.find(caller, id), key) } };
  }

  @Post()
  @HttpCode(200)
  @Served(1, 38)
  @Authorize('os_compute_api:image-metadata:create')
  async add(@Param('id') id: string, @Caller() caller: RequestContext, @ValidBody(Metadata) { metadata }: { metadata: Record<string, string> }) {
    return { metadata: await this.write(caller, await this.find(caller, id), metadata, false) };
  }

  @Put()
  @Served(1, 38)
  @Authorize('os_compute_api:image-metadata:update')
  async replace(@Param('id') id: string, @Caller() caller: RequestContext, @ValidBody(Metadata) { metadata }: { metadata: Record<string, string> }) {
    return { metadata: await this.write(caller, await this.find(caller, id), metadata, true) };
  }

  @Put(':key')
  @Served(1, 38)
  @Authorize('os_compute_api:image-metadata:update')
  async set(@Param('id') id: string, @Param('key') key: string, @Caller() caller: RequestContext, @ValidBody(Item) { meta }: { meta: Record<string, string> }) {
    if (Object.keys(meta).length !== 1 || !Object.hasOwn(meta, key)) throw badRequest('Request body and URI mismatch');
    await this.write(caller, await this.find(caller, id), meta, false);
    return { meta };
  }

  @Delete(':key')
  @HttpCode(204)
  @Served(1, 38)
  @Authorize('os_compute_api:image-metadata:delete')
  async remove(@Param('id') id: string, @Param('key') key: string, @Caller() caller: RequestContext) {
    const image = await this.find(caller, id);
    this.value(image, key);
    await this.patch(caller, id, [{ op: 'remove', path: pointer(key) }]);
  }

  private find(caller: RequestContext, id: string): Promise<ImageDocument> {
    return findImage(this.apis.image, caller, id);
  }

  private value(image: ImageDocument, key: string): unknown {
    const metadata = metadataOf(image);
    if (!Object.hasOwn(metadata, key)) throw notFound('Metadata item was not found');
    return metadata[key];
  }

  /** The metadata after it; `only` takes away what is not given. */
  private async write(caller: RequestContext, image: ImageDocument, wanted: Record<string, string>, only: boolean): Promise<Record<string, unknown>> {
    const present = metadataOf(image);
    const kept = only ? {} : present;
    const { metadata_items: limit } = await readLimits(this.db, caller.project?.id ?? '', caller.user.id);
    if (limit >= 0 && Object.keys({ ...kept, ...wanted }).length > limit) throw new CloudError('overQuota', 'Image metadata limit exceeded', { status: 403 });
    const removed = only ? Object.keys(present).filter((key) => !Object.hasOwn(wanted, key)) : [];
    const patches: Patch[] = [
      ...removed.map((key): Patch => ({ op: 'remove', path: pointer(key) })),
      ...Object.entries(wanted).map(([key, value]): Patch => ({ op: Object.hasOwn(present, key) ? 'replace' : 'add', path: pointer(key), value })),
    ];
    return patches.length === 0 ? kept : metadataOf(await this.patch(caller, image.id, patches));
  }

  private patch(caller: RequestContext, id: string, patches: Patch[]): Promise<ImageDocument> {
    return this.apis.image.ask<ImageDocument>(caller, 'PATCH', `/v2/images/${segment(id)}`, patches, 'application/openstack-images-v2.1-json-patch').catch(imageRefused);
  }
}
