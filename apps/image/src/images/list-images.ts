import { badRequest, type RequestContext } from '@virga/core';
import { sql, type Kysely } from '@virga/db';
import type { ImageDb, ImageSchema } from '../db/tables';
import { IMAGE_STATUSES, VISIBILITIES } from '../db/tables';
import { toRow, type ImageRow } from './image.repository';

export interface ImageListRequest {
  filters: Record<string, string | string[]>;
  sort: [SortKey, 'asc' | 'desc'][];
  limit: number;
  marker?: ImageRow;
}

export const SORT_KEYS = ['name', 'status', 'container_format', 'disk_format', 'size', 'id', 'created_at', 'updated_at'] as const;
export type SortKey = (typeof SORT_KEYS)[number];

const COMPARISONS = { eq: '=', neq: '!=', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;
/** Filters on a column of text: equality or `in:a,"b"`. */
const TEXT_FILTERS = ['name', 'id', 'status', 'container_format', 'disk_format', 'checksum', 'owner'] as const;
const BOUND_FILTERS = { size_min: ['size', '>='], size_max: ['size', '<='] } as const;
const TIME_FILTERS = ['created_at', 'updated_at'] as const;
const COLUMN_FILTERS = new Set<string>([...TEXT_FILTERS, ...Object.keys(BOUND_FILTERS), ...TIME_FILTERS,
  'visibility', 'tag', 'protected', 'os_hidden', 'member_status', 'size', 'min_disk', 'min_ram', 'os_hash_value', 'os_hash_algo']);

const one = (value: string | string[]): string => [value].flat()[0]!;
const many = (value: string): string[] => {
  if (!value.startsWith('in:')) return [value];
  return [...value.slice(3).matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/g)].map((match) => (match[1] ?? match[2]!).replace(/\\(.)/g, '$1'));
};
const boolean = (key: string, value: string): number => {
  if (/^true$/i.test(value)) return 1;
  if (/^false$/i.test(value)) return 0;
  throw badRequest(`Invalid value '${value.slice(0, 40)}' for '${key}' filter. Valid values are case insensitively 'true' or 'false'.`);
};
const integer = (key: string, value: string): number => {
  if (!/^\d{1,18}$/.test(value)) throw badRequest(`Invalid value '${value.slice(0, 40)}' for filter '${key}'. A non-negative integer is expected.`);
  return Number(value);
};

/** The images that the caller may see and asked for, one page, one query. */
export async function listImages(db: ImageDb, context: RequestContext, { filters, sort, limit, marker }: ImageListRequest): Promise<ImageRow[]> {
  let query = visibleImages(db, context, filters);
  for (const column of TEXT_FILTERS) if (filters[column] !== undefined) query = query.where(column, 'in', many(one(filters[column])) as never[]);
  if (filters.status !== undefined) requireOneOf('status', many(one(filters.status)), [...IMAGE_STATUSES, 'killed', 'deleted', 'uploading', 'importing', 'pending_delete']);
  for (const [key, [column, operator]] of Object.entries(BOUND_FILTERS)) {
    if (filters[key] !== undefined) query = query.where(column, operator, integer(key, one(filters[key])));
  }
  for (const column of ['size', 'min_disk', 'min_ram'] as const) if (filters[column] !== undefined) query = query.where(column, '=', integer(column, one(filters[column])));
  for (const column of TIME_FILTERS) if (filters[column] !== undefined) query = query.where(column, ...timeComparison(column, one(filters[column])));
  if (filters.os_hash_value !== undefined) query = query.where('os_hash_value', '=', one(filters.os_hash_value));
  if (filters.protected !== undefined) query = query.where('protected', '=', boolean('protected', one(filters.protected)));
  query = query.where('os_hidden', '=', filters.os_hidden === undefined ? 0 : boolean('os_hidden', one(filters.os_hidden)));
  for (const tag of [filters.tag ?? []].flat()) query = query.where(sql<boolean>`JSON_CONTAINS(tags, ${JSON.stringify(tag)})`);
  for (const [key, value] of Object.entries(filters)) {
    if (!COLUMN_FILTERS.has(key)) query = query.where(sql<boolean>`JSON_VALUE(properties, ${`$."${key.replaceAll('\\', '').replaceAll('"', '')}"`}) = ${one(value)}`);
  }
  const keys: [SortKey, 'asc' | 'desc'][] = sort.some(([key]) => key === 'id') ? sort : [...sort, ['id', sort.at(-1)?.[1] ?? 'desc']];
  if (marker) query = query.where(afterMarker(keys, marker));
  for (const [key, direction] of keys) query = query.orderBy(key, direction);
  return (await query.selectAll().limit(limit).execute()).map(toRow);
}

function visibleImages(db: Kysely<ImageSchema>, context: RequestContext, filters: ImageListRequest['filters']) {
  const project = context.project?.id ?? null;
  const visibility = filters.visibility === undefined ? undefined : one(filters.visibility);
  if (visibility !== undefined) requireOneOf('visibility', [visibility], [...VISIBILITIES, 'all']);
  const memberStatus = filters.member_status === undefined ? 'accepted' : one(filters.member_status);
  requireOneOf('member_status', [memberStatus], ['pending', 'accepted', 'rejected', 'all']);
  const isAdmin = context.roleNames.has('admin');
  return db.selectFrom('images').where((eb) => {
    const shared = eb.and([eb('visibility', '=', 'shared'), eb.exists(
      eb.selectFrom('image_members').select('image_members.image_id').whereRef('image_members.image_id', '=', 'images.id')
        .where('image_members.member', '=', project ?? '')
        .$if(memberStatus !== 'all', (members) => members.where('image_members.status', '=', memberStatus as 'accepted')),
    )]);
    // Community images of others are shown only when they are asked for; an admin sees all others anyway.
    const seen = isAdmin
      ? eb.or([eb('visibility', '!=', 'community'), eb('owner', '=', project)])
      : eb.or([eb('visibility', '=', 'public'), eb('owner', '=', project), shared]);
    if (visibility === 'all') return eb.or([seen, eb('visibility', '=', 'community')]);
    if (visibility === 'community') return eb('visibility', '=', 'community');
    if (visibility === undefined) return seen;
    return eb.and([seen, eb('visibility', '=', visibility as 'public')]);
  });
}

function requireOneOf(key: string, values: string[], allowed: readonly string[]): void {
  const wrong = values.find((value) => !allowed.includes(value));
  if (wrong !== undefined) throw badRequest(`Invalid ${key} value: ${wrong.slice(0, 60)}`);
}

function timeComparison(key: string, value: string): ['=' | '!=' | '>' | '>=' | '<' | '<=', Date] {
  const match = /^(?:(eq|neq|gt|gte|lt|lte):)?(.+)$/.exec(value);
  const time = new Date(match?.[2] ?? '');
  if (!match || Number.isNaN(time.getTime())) throw badRequest(`Bad "${key}" query filter format. Use ISO 8601 DateTime notation.`);
  return [COMPARISONS[(match[1] ?? 'eq') as keyof typeof COMPARISONS], time];
}

/** Rows after the marker in the order of `keys`: (a > x) or (a = x and b > y) ... NULL sorts before everything. */
function afterMarker(keys: [SortKey, 'asc' | 'desc'][], marker: ImageRow) {
  const alternatives = keys.map(([key, direction], index) => {
    const equal = keys.slice(0, index).map(([earlier]) => sql`${sql.ref(earlier)} <=> ${marker[earlier]}`);
    const value = marker[key];
    const beyond = direction === 'asc'
      ? value === null ? sql`${sql.ref(key)} IS NOT NULL` : sql`${sql.ref(key)} > ${value}`
      : value === null ? sql`FALSE` : sql`(${sql.ref(key)} < ${value} OR ${sql.ref(key)} IS NULL)`;
    return sql`(${sql.join([...equal, beyond], sql` AND `)})`;
  });
  return sql<boolean>`(${sql.join(alternatives, sql` OR `)})`;
}
