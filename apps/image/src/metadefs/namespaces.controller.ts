import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Static } from '@sinclair/typebox';
import { badRequest, notFound, type RequestContext } from '@virga/core';
import { Authorize, Caller, ValidBody, ValidQuery, readPage, readSort } from '@virga/rest';
import { CONFIG, type ImageConfig } from '../config';
import { isoSeconds } from '../images/image.view';
import { ListQuery } from '../images/image.schema';
import { COLLECTION_VIEWS, KINDS, NamespaceCreate, namespaceView, NamespaceUpdate, type ItemBody, type NamespaceRow } from './metadef';
import { MetadefRepository } from './metadef.repository';

const SORT_KEYS = ['namespace', 'display_name', 'visibility', 'owner', 'created_at', 'updated_at'] as const;
const single = (value: string | string[] | undefined): string | undefined => [value].flat()[0];

/** Definitions of metadata that dashboards offer for images and flavors. */
@Controller('v2/metadefs')
export class NamespacesController {
  constructor(@Inject(MetadefRepository) private readonly metadefs: MetadefRepository, @Inject(CONFIG) private readonly config: ImageConfig) {}

  @Get('namespaces') @Authorize('get_metadef_namespace')
  async list(@Caller() caller: RequestContext, @ValidQuery(ListQuery) query: Static<typeof ListQuery>) {
    const page = readPage({ limit: single(query['limit']), marker: single(query['marker']) }, this.config.VIRGA_IMAGE_PAGE_LIMIT);
    const [[key, direction]] = readSort({ sort_key: query['sort_key'], sort_dir: query['sort_dir'] }, SORT_KEYS, [['created_at', 'desc']]) as [[(typeof SORT_KEYS)[number], 'asc' | 'desc']];
    const visibility = single(query['visibility']);
    if (visibility !== undefined && visibility !== 'public' && visibility !== 'private') throw badRequest(`Invalid visibility value: ${visibility.slice(0, 60)}`);
    const types = single(query['resource_types'])?.split(',');
    const all = await this.metadefs.namespaces(caller);
    const typed = types && new Set((await this.metadefs.db.selectFrom('metadef_items').select('namespace').where('kind', '=', 'resource_type').where('name', 'in', types).execute()).map((row) => row.namespace));
    const sorted = all.filter((row) => (visibility === undefined || row.visibility === visibility) && (!typed || typed.has(row.namespace))).sort((a, b) => {
      const [x, y] = [a[key] ?? '', b[key] ?? ''];
      return (x < y ? -1 : x > y ? 1 : a.namespace < b.namespace ? -1 : 1) * (direction === 'asc' ? 1 : -1);
    });
    const start = page.marker === undefined ? 0 : sorted.findIndex(({ namespace }) => namespace === page.marker) + 1;
    if (page.marker !== undefined && start === 0) throw notFound(`Metadata definition namespace not found: ${page.marker.slice(0, 80)}`);
    const shown = sorted.slice(start, start + page.limit);
    const namespaces = await Promise.all(shown.map(async (row) => ({
      ...namespaceView(row), resource_type_associations: COLLECTION_VIEWS.resource_type.view(await this.metadefs.items(row.namespace, 'resource_type')),
    })));
    const link = (extra: Record<string, string> = {}): string => {
      const pairs = Object.entries(query).flatMap(([name, value]) => (name === 'marker' ? [] : [value].flat().map((item): [string, string] => [name, item])));
      const text = new URLSearchParams([...pairs, ...Object.entries(extra)]).toString();
      return `/v2/metadefs/namespaces${text && `?${text}`}`;
    };
    const more = shown.length > 0 && start + shown.length < sorted.length;
    return { namespaces, first: link(), ...(more && { next: link({ marker: shown.at(-1)!.namespace }) }), schema: '/v2/schemas/metadefs/namespaces' };
  }

  @Post('namespaces') @Authorize('modify_metadef_namespace')
  async create(@Caller() caller: RequestContext, @ValidBody(NamespaceCreate) given: NamespaceCreate, @Res({ passthrough: true }) reply: FastifyReply) {
    const now = new Date();
    const row: NamespaceRow = {
      namespace: given.namespace, display_name: given.display_name ?? null, description: given.description ?? null, visibility: given.visibility ?? 'private',
      protected: given.protected ? 1 : 0, owner: given.owner ?? caller.project?.id ?? '', created_at: now, updated_at: now,
    };
    const properties = Object.entries(given.properties ?? {}).map(([name, body]) => ({ ...body, name }));
    await this.metadefs.create(row, [
      ['object', (given.objects ?? []) as ItemBody[]], ['property', properties], ['tag', (given.tags ?? []) as ItemBody[]],
      ['resource_type', (given.resource_type_associations ?? []) as ItemBody[]],
    ]);
    const view = await this.whole(row);
    reply.header('Location', view['self'] as string);
    return view;
  }

  @Get('namespaces/:namespace') @Authorize('get_metadef_namespace')
  async show(@Caller() caller: RequestContext, @Param('namespace') namespace: string) {
    return this.whole(await this.metadefs.namespace(caller, namespace));
  }

  @Put('namespaces/:namespace') @Authorize('modify_metadef_namespace')
  async update(@Caller() caller: RequestContext, @Param('namespace') namespace: string, @ValidBody(NamespaceUpdate) given: NamespaceUpdate) {
    const row = await this.metadefs.namespace(caller, namespace);
    await this.metadefs.update(namespace, {
      ...row, namespace: given.namespace, display_name: given.display_name ?? row.display_name, description: given.description ?? row.description,
      visibility: given.visibility ?? row.visibility, protected: given.protected === undefined ? row.protected : Number(given.protected), owner: given.owner ?? row.owner, updated_at: new Date(),
    });
    return namespaceView(await this.metadefs.namespace(caller, given.namespace));
  }

  @Delete('namespaces/:namespace') @Authorize('modify_metadef_namespace') @HttpCode(204)
  async delete(@Caller() caller: RequestContext, @Param('namespace') namespace: string): Promise<void> {
    await this.metadefs.remove(await this.metadefs.namespace(caller, namespace));
  }

  @Get('resource_types') @Authorize('list_metadef_resource_types')
  async resourceTypes() {
    const rows = await this.metadefs.resourceTypes();
    return {
      resource_types: rows.map((row) => ({ name: row.name, created_at: isoSeconds(row.created_at), updated_at: isoSeconds(row.updated_at) })), schema: '/v2/schemas/metadefs/resource_types',
    };
  }

  private async whole(row: NamespaceRow): Promise<Record<string, unknown>> {
    const parts = await Promise.all(KINDS.map(async (kind) => [kind, await this.metadefs.items(row.namespace, kind)] as const));
    return { ...namespaceView(row), ...Object.fromEntries(parts.filter(([, rows]) => rows.length > 0).map(([kind, rows]) => [COLLECTION_VIEWS[kind].key, COLLECTION_VIEWS[kind].view(rows)])) };
  }
}
