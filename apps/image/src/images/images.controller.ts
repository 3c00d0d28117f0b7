import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Put, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';
import type { Static } from '@sinclair/typebox';
import { badRequest, conflict, forbidden, isUuid, notFound, CloudError, type Logger, type RequestContext } from '@virga/core';
import { Authorize, Caller, ValidBody, ValidQuery, POLICY, baseUrl, checkInput, FAULT_STYLES, readPage, readSort, type PolicyEnforcer } from '@virga/rest';
import { CONFIG, type ImageConfig } from '../config';
import { FileStore } from '../store/file-store';
import { LOGGER } from '../tokens';
import { createImage } from './create-image';
import { sendImageData } from './download-image';
import { ImageRepository, imageNotFound, type ImageRow } from './image.repository';
import { CreateImage, ListQuery, PatchOperations, Tag } from './image.schema';
import { imageView } from './image.view';
import { listImages, SORT_KEYS } from './list-images';
import { patchImage, readPatch } from './patch-image';
import { uploadImage } from './upload-image';

@Controller('v2/images')
export class ImagesController {
  constructor(
    @Inject(ImageRepository) private readonly images: ImageRepository,
    @Inject(FileStore) private readonly store: FileStore,
    @Inject(CONFIG) private readonly config: ImageConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(POLICY) private readonly policy: PolicyEnforcer,
  ) {}

  @Get() @Authorize('get_images')
  async list(@Caller() caller: RequestContext, @ValidQuery(ListQuery) query: Static<typeof ListQuery>, @Req() request: FastifyRequest) {
    // An image with an empty id, and not the list.
    if (request.url.split('?', 1)[0]!.endsWith('/')) throw new CloudError('routeNotFound', 'The resource could not be found.');
    const { limit, marker, sort, sort_key: sortKey, sort_dir: sortDir, ...filters } = query;
    const page = readPage({ limit: single(limit), marker: single(marker) }, this.config.VIRGA_IMAGE_PAGE_LIMIT);
    const images = await listImages(this.images.db, caller, {
      filters, limit: page.limit,
      sort: readSort({ sort: single(sort), sort_key: sortKey, sort_dir: sortDir }, SORT_KEYS, [['created_at', 'desc']]),
      ...(page.marker === undefined ? {} : { marker: await this.marker(caller, page.marker) }),
    });
    const params = new URLSearchParams(Object.entries(query).flatMap(([key, value]) => (key === 'marker' ? [] : [value].flat().map((item): [string, string] => [key, item]))));
    const link = (extra: Record<string, string> = {}) => {
      const all = new URLSearchParams([...params, ...Object.entries(extra)]).toString();
      return `/v2/images${all ? `?${all}` : ''}`;
    };
    const more = images.length > 0 && images.length === page.limit;
    return { images: images.map(imageView), first: link(), ...(more ? { next: link({ marker: images.at(-1)!.id }) } : {}), schema: '/v2/schemas/images' };
  }

  private async marker(caller: RequestContext, id: string): Promise<ImageRow> {
    if (!isUuid(id as unknown)) throw badRequest(`Marker ${id.slice(0, 60)} is not an image.`);
    return this.images.findVisible(caller, id);
  }

  @Post() @Authorize('add_image')
  async create(@Caller() caller: RequestContext, @ValidBody(CreateImage) body: Static<typeof CreateImage>, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const image = await createImage(this.images, this.policy, caller, body);
    reply.header('Location', `${baseUrl(request)}/v2/images/${image.id}`);
    reply.header('OpenStack-image-import-methods', '');
    return imageView(image);
  }

  @Get(':id') @Authorize('get_image')
  async show(@Caller() caller: RequestContext, @Param('id') id: string) {
    return imageView(await this.images.findVisible(caller, id));
  }

  @Patch(':id') @Authorize('get_image')
  async patch(@Caller() caller: RequestContext, @Param('id') id: string, @Req() request: FastifyRequest) {
    const type = request.headers['content-type']?.split(';', 1)[0];
    if (!/^application\/openstack-images-v2\.[01]-json-patch$/.test(type ?? '')) {
      throw new CloudError('unsupportedMediaType', `The request media type ${type ?? ''} is not supported by this server.`, { headers: { 'Accept-Patch': 'application/openstack-images-v2.1-json-patch' } });
    }
    const operations = readPatch(request.body);
    checkInput(PatchOperations, operations, FAULT_STYLES.image);
    const image = await this.writable(caller, id, 'modify_image');
    return imageView(await patchImage(this.images, this.policy, caller, image, operations as PatchOperations));
  }

  @Delete(':id') @HttpCode(204) @Authorize('get_image')
  async delete(@Caller() caller: RequestContext, @Param('id') id: string) {
    const image = await this.writable(caller, id, 'delete_image');
    if (image.protected) throw forbidden(`Image ${id} is protected and cannot be deleted.`);
    if (!(await this.images.delete(image.id))) throw imageNotFound(id);
    await this.store.remove(image.id);
  }

  @Put(':id/file') @HttpCode(204) @Authorize('get_image')
  async upload(@Caller() caller: RequestContext, @Param('id') id: string, @Req() request: FastifyRequest) {
    const image = await this.writable(caller, id, 'upload_image');
    const type = request.headers['content-type'];
    if (type !== 'application/octet-stream') throw new CloudError('unsupportedMediaType', `The request media type ${type ?? ''} is not supported by this server.\n`);
    const length = request.headers['content-length'];
    if (length !== undefined && Number(length) > this.config.VIRGA_IMAGE_SIZE_CAP) throw new CloudError('tooLarge', `Image storage media is limited to ${this.config.VIRGA_IMAGE_SIZE_CAP} bytes.`);
    await uploadImage({ images: this.images, store: this.store, config: this.config, logger: this.logger }, image, request.body as Readable, {
      ...(length === undefined ? {} : { length: Number(length) }),
      ...(typeof request.headers['content-digest'] === 'string' ? { contentDigest: request.headers['content-digest'] } : {}),
    });
  }

  @Get(':id/file') @Authorize('download_image')
  async download(@Caller() caller: RequestContext, @Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply) {
    const image = await this.images.findVisible(caller, id);
    if (image.status === 'queued' || image.status === 'saving') return void reply.status(204).send();
    if (image.status === 'deactivated' && !caller.roleNames.has('admin')) throw forbidden(`The requested image has been deactivated. Image data download is forbidden.`);
    sendImageData(this.store, image, request.headers.range, reply);
  }

  @Post(':id/actions/:action') @HttpCode(204) @Authorize('get_image')
  async act(@Caller() caller: RequestContext, @Param('id') id: string, @Param('action') action: string) {
    if (action !== 'deactivate' && action !== 'reactivate') throw new CloudError('routeNotFound', 'The resource could not be found.');
    const image = await this.writable(caller, id, action);
    const [from, to] = action === 'deactivate' ? (['active', 'deactivated'] as const) : (['deactivated', 'active'] as const);
    if (image.status === to) return;
    if (image.status !== from) throw forbidden(`Not allowed to ${action} image in status '${image.status}'`);
    await this.images.update(image, { status: to });
  }

  @Put(':id/tags/:tag') @HttpCode(204) @Authorize('get_image')
  async addTag(@Caller() caller: RequestContext, @Param('id') id: string, @Param('tag') tag: string) {
    checkInput(Tag, tag, FAULT_STYLES.image);
    const image = await this.writable(caller, id, 'modify_image');
    if (image.tags.includes(tag)) return;
    if (image.tags.length >= 128) throw new CloudError('tooLarge', 'The limit has been exceeded on the number of allowed image tags. Attempted: 129, Maximum: 128');
    await this.images.update(image, { tags: JSON.stringify([...image.tags, tag]) });
  }

  @Delete(':id/tags/:tag') @HttpCode(204) @Authorize('get_image')
  async removeTag(@Caller() caller: RequestContext, @Param('id') id: string, @Param('tag') tag: string) {
    const image = await this.writable(caller, id, 'modify_image');
    if (!image.tags.includes(tag)) throw notFound(`Failed to find image ${id} tag ${tag}`);
    await this.images.update(image, { tags: JSON.stringify(image.tags.filter((own) => own !== tag)) });
  }

  /** A visible image that the rule lets the caller change; one that is seen but not owned is 403. */
  private async writable(caller: RequestContext, id: string, rule: string): Promise<ImageRow> {
    const image = await this.images.findVisible(caller, id);
    if (!this.policy.allows(caller, rule, { projectId: image.owner })) throw forbidden('You are not authorized to complete this action.');
    if (image.status === 'saving' && rule === 'modify_image') throw conflict('There was a conflict when trying to complete your request.');
    return image;
  }
}

const single = (value: string | string[] | undefined): string | undefined => (value === undefined ? undefined : [value].flat()[0]);
