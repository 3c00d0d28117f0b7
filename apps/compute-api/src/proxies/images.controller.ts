import { Controller, Delete, Get, HttpCode, Inject, Param, Query, Req } from '@nestjs/common';
import { CloudError, forbidden, notFound, type RequestContext } from '@virga/core';
import { Authenticated, Authorize, baseUrl, Caller, readPage, withQuery, type FastifyRequest } from '@virga/rest';
import { Served, under } from '../microversions';
import { NEIGHBOUR_APIS, SETTINGS, type ComputeSettings } from '../tokens';
import { readTime } from '../times';
import { imageListed, imageShown, statusesOf, type ImageDocument, type LinkBase } from './image.view';
import { queryText, segment, type NeighbourApi, type NeighbourApis } from './neighbour-api';

/** The image as the image service shows it to the caller; 404 in nova's words. */
export async function findImage(api: NeighbourApi, caller: RequestContext, id: string): Promise<ImageDocument> {
  return api.ask<ImageDocument>(caller, 'GET', `/v2/images/${segment(id)}`).catch(imageRefused);
}
export function imageRefused(error: unknown): never {
  if (error instanceof CloudError && (error.kind === 'notFound' || error.kind === 'badRequest')) throw notFound('Image not found.');
  if (error instanceof CloudError && error.kind === 'conflict') throw forbidden('Deletion of the image is not permitted.');
  throw error;
}

type ListQuery = Record<string, string | undefined>;
/** What servers are asked for by: an id, or a link that ends in one. */
const lastSegment = (text: string): string => text.split('/').at(-1)!;

/** Compute's filters in the image service's words; those that it did not know are left out. */
const FILTERS: Record<string, (value: string) => [string, string] | undefined> = {
  name: (value) => ['name', value],
  status: (value) => ['status', `in:${statusesOf(value).join(',') || 'unknown'}`],
  server: (value) => ['instance_uuid', lastSegment(value)],
  type: (value) => ['image_type', value],
  minRam: (value) => ['min_ram', value],
  minDisk: (value) => ['min_disk', value],
  'changes-since': (value) => { const time = readTime(value); return time && ['updated_at', `gte:${time.toISOString().slice(0, 19)}Z`]; },
};
function filtersOf(query: ListQuery): Record<string, string> | undefined {
  if (query.status !== undefined && statusesOf(query.status).length === 0) return undefined;
  return Object.fromEntries(Object.entries(query).flatMap(([key, value]) => {
    const filter = Object.hasOwn(FILTERS, key) && value !== undefined ? FILTERS[key]!(value) : undefined;
    return filter ? [filter] : [];
  }));
}

// The image service decides who sees what: the reading routes have no rule of compute.
/** Images in compute's own form, until 2.35. */
@Controller(under('images'))
export class ImagesController {
  constructor(@Inject(NEIGHBOUR_APIS) private readonly apis: NeighbourApis, @Inject(SETTINGS) private readonly settings: ComputeSettings) {}

  @Get()
  @Served(1, 35)
  @Authenticated()
  list(@Caller() caller: RequestContext, @Query() query: ListQuery, @Req() request: FastifyRequest) {
    return this.page(caller, query, request, imageListed);
  }

  @Get('detail')
  @Served(1, 35)
  @Authenticated()
  details(@Caller() caller: RequestContext, @Query() query: ListQuery, @Req() request: FastifyRequest) {
    return this.page(caller, query, request, imageShown);
  }

  @Get(':id')
  @Served(1, 35)
  @Authenticated()
  async show(@Param('id') id: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    return { image: imageShown(await findImage(this.apis.image, caller, id), linkBase(request)) };
  }

  @Delete(':id')
  @HttpCode(204)
  @Served(1, 35)
  @Authorize('os_compute_api:images:delete')
  async remove(@Param('id') id: string, @Caller() caller: RequestContext) {
    await this.apis.image.ask(caller, 'DELETE', `/v2/images/${segment(id)}`).catch(imageRefused);
  }

  private async page(caller: RequestContext, query: ListQuery, request: FastifyRequest, view: (image: ImageDocument, at: LinkBase) => object) {
    const { limit, marker } = readPage({ ...(query.limit !== undefined && { limit: query.limit }), ...(query.marker !== undefined && { marker: query.marker }) }, this.settings.maxLimit);
    const filters = filtersOf(query);
    const found = filters === undefined ? [] : await this.read(caller, filters, limit, marker);
    const at = linkBase(request);
    const more = query.limit !== undefined && limit > 0 && found.length === limit;
    return { images: found.map((image) => view(image, at)), ...(more && { images_links: [{ rel: 'next', href: withQuery(request, { marker: found.at(-1)!.id }) }] }) };
  }

  /** Pages of the image service may be shorter than what was asked for. */
  private async read(caller: RequestContext, filters: Record<string, string>, limit: number, from: string | undefined): Promise<ImageDocument[]> {
    const found: ImageDocument[] = [];
    for (let marker = from; found.length < limit;) {
      const { images } = await this.apis.image.ask<{ images: ImageDocument[] }>(caller, 'GET', `/v2/images${queryText({ ...filters, limit: String(limit - found.length), marker })}`);
      if (images.length === 0) break;
      found.push(...images);
      marker = images.at(-1)!.id;
    }
    return found;
  }
}

const linkBase = (request: FastifyRequest): LinkBase => ({ base: baseUrl(request), version: request.url.startsWith('/v2/') ? 'v2' : 'v2.1' });
