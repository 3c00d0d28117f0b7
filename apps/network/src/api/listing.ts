import { sql, type RawBuilder } from 'kysely';
import { badRequest, type RequestContext } from '@virga/core';
import { columnOf, storeOf, type Attribute } from './attributes';
import { missing, type Collection, type Row } from './collection';
import type { Db } from '../db/tables';

export type Query = Record<string, string | string[] | undefined>;
const all = (value: string | string[] | undefined): string[] => (value === undefined ? [] : [value].flat());
const refuse = (message: string) => badRequest(message, { type: 'HTTPBadRequest' });

/** Parameters of a list that are no filters. */
const PARAMETERS = new Set(['fields', 'limit', 'marker', 'page_reverse', 'sort_key', 'sort_dir']);
const TAG_FILTERS: Record<string, { any: boolean; not: boolean }> = {
  tags: { any: false, not: false }, 'tags-any': { any: true, not: false }, 'not-tags': { any: false, not: true }, 'not-tags-any': { any: true, not: true },
};

function columnFilter(attribute: Attribute, column: string, values: string[]): RawBuilder<boolean> {
  const ref = sql.ref(column);
  if (storeOf(attribute) === 'boolean') {
    const wanted = values.map((value) => (['true', '1'].includes(value.toLowerCase()) ? 1 : ['false', '0'].includes(value.toLowerCase()) ? 0 : -1));
    return sql<boolean>`${ref} in (${sql.join(wanted)})`;
  }
  if (storeOf(attribute) === 'time') return sql<boolean>`${ref} in (${sql.join(values.map((value) => new Date(value)).filter((date) => !Number.isNaN(date.getTime())).concat([new Date(0)]))})`;
  // An empty value asks for what has none.
  return values.includes('') ? sql<boolean>`(${ref} in (${sql.join(values)}) or ${ref} is null)` : sql<boolean>`${ref} in (${sql.join(values)})`;
}

function tagFilter(values: string[], { any, not }: { any: boolean; not: boolean }): RawBuilder<boolean> {
  const tags = values.flatMap((value) => value.split(','));
  const joined = sql.join(tags.map((tag) => sql`json_contains(tags, ${JSON.stringify(tag)})`), any ? sql` or ` : sql` and `);
  return not ? sql<boolean>`not (${joined})` : sql<boolean>`(${joined})`;
}

function filterConditions(collection: Collection, query: Query, hidden: ReadonlySet<string>): RawBuilder<boolean>[] {
  const conditions: RawBuilder<boolean>[] = [];
  const unknown: string[] = [];
  for (const [parameter, value] of Object.entries(query)) {
    if (PARAMETERS.has(parameter) || value === undefined) continue;
    const values = all(value);
    const name = parameter === 'tenant_id' ? 'project_id' : parameter;
    const tag = Object.hasOwn(TAG_FILTERS, name) ? TAG_FILTERS[name] : undefined;
    const special = collection.filters && Object.hasOwn(collection.filters, name) ? collection.filters[name] : undefined;
    const attribute = Object.hasOwn(collection.attributes, name) && !hidden.has(name) ? collection.attributes[name] : undefined;
    const column = attribute && !attribute.opaque ? columnOf(name, attribute) : undefined;
    if (special) conditions.push(special(values));
    else if (tag && 'tags' in collection.attributes) conditions.push(tagFilter(values, tag));
    else if (attribute && column) conditions.push(columnFilter(attribute, column, values));
    else unknown.push(parameter);
  }
  if (unknown.length > 0) throw refuse(`[${unknown.slice(0, 10).map((name) => `'${name.slice(0, 100)}'`).join(', ')}] is invalid attribute for filtering`);
  return conditions;
}

type SortKey = [column: string, direction: 'asc' | 'desc'];

function sortKeys(collection: Collection, query: Query, hidden: ReadonlySet<string>): SortKey[] {
  const directions = all(query.sort_dir);
  const keys = all(query.sort_key).map((key, index): SortKey => {
    const name = key === 'tenant_id' ? 'project_id' : key;
    const attribute = Object.hasOwn(collection.attributes, name) && !hidden.has(name) ? collection.attributes[name]! : undefined;
    const column = attribute && !attribute.opaque ? columnOf(name, attribute) : undefined;
    if (!column) throw refuse(`'${key.slice(0, 100)}' is invalid attribute for sort keys`);
    const direction = directions[index] ?? 'asc';
    if (direction !== 'asc' && direction !== 'desc') throw refuse(`'${direction.slice(0, 100)}' is an invalid value for sort_dirs, value must be one of: 'asc', 'desc'`);
    return [column, direction];
  });
  return keys.some(([column]) => column === 'id') ? keys : [...keys, ['id', 'asc']];
}

function readLimit(query: Query): number | undefined {
  const text = all(query.limit)[0];
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw refuse(`Limit must be an integer 0 or greater and not '${text.slice(0, 40)}'`);
  return Number(text) || undefined;
}

/** Rows that follow the marker's in the order of the keys; nulls come first, as MariaDB sorts them. */
function afterMarker(keys: SortKey[], marker: Row): RawBuilder<boolean> {
  const steps = keys.map(([column, direction], index) => {
    const equal = keys.slice(0, index).map(([earlier]) => sql<boolean>`${sql.ref(earlier)} <=> ${marker[earlier]}`);
    const value = marker[column];
    const ref = sql.ref(column);
    const beyond = value === null
      ? (direction === 'asc' ? sql<boolean>`${ref} is not null` : sql<boolean>`false`)
      : direction === 'asc' ? sql<boolean>`${ref} > ${value}` : sql<boolean>`(${ref} < ${value} or ${ref} is null)`;
    return sql<boolean>`(${sql.join([...equal, beyond], sql` and `)})`;
  });
  return sql<boolean>`(${sql.join(steps, sql` or `)})`;
}

export interface Page { rows: Row[]; next?: string; previous?: string }

/**
 * The rows that a list request asks for, as far as the caller sees them, with the markers of the neighbouring pages.
 * By `hidden` attributes, which the caller may not see, rows are neither picked nor sorted.
 */
export async function listRows(db: Db, collection: Collection, caller: RequestContext, query: Query, hidden: ReadonlySet<string>): Promise<Page> {
  const visible = collection.visible(caller);
  const conditions = [...filterConditions(collection, query, hidden), ...(visible ? [visible] : [])];
  const limit = readLimit(query);
  const reverse = all(query.page_reverse)[0]?.toLowerCase() === 'true';
  const keys = sortKeys(collection, query, hidden).map(([column, direction]): SortKey => [column, reverse === (direction === 'asc') ? 'desc' : 'asc']);
  const marker = all(query.marker)[0];
  const table = sql.table(collection.table);
  if (marker !== undefined) {
    const { rows: [row] } = await sql<Row>`select * from ${table} where id = ${marker}${visible ? sql` and ${visible}` : sql``}`.execute(db);
    if (!row) throw missing(collection, marker);
    conditions.push(afterMarker(keys, row));
  }
  const where = conditions.length > 0 ? sql`where ${sql.join(conditions, sql` and `)}` : sql``;
  const order = sql.join(keys.map(([column, direction]) => sql`${sql.ref(column)} ${sql.raw(direction)}`));
  const { rows } = await sql<Row>`select * from ${table} ${where} order by ${order} ${limit === undefined ? sql`` : sql`limit ${limit}`}`.execute(db);
  if (reverse) rows.reverse();
  if (limit === undefined) return { rows };
  const full = rows.length >= limit;
  return {
    rows,
    ...((reverse ? marker !== undefined || rows.length > 0 : full) && rows.length > 0 && { next: rows.at(-1)!.id }),
    ...((reverse ? full : marker !== undefined) && rows.length > 0 && { previous: rows[0]!.id }),
  };
}
