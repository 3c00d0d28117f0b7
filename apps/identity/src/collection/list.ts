import type { FastifyRequest } from 'fastify';
import type { RawBuilder } from 'kysely';
import { badRequest } from '@virga/core';
import { sql } from '@virga/db';
import { baseUrl, withQuery } from '@virga/rest';
import type { Exec } from '../db/tables';

export type Query = Record<string, string | string[] | undefined>;

/** The value of a parameter; of a repeated one the last. */
export const single = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value.at(-1) : value);

/** Keystone's flags: named without a value they are true, `0` and `false` are not. */
export function isSet(query: Query, name: string): boolean {
  const value = single(query[name]);
  return value !== undefined && !['0', 'false', 'f', 'no', 'off', 'n'].includes(value.toLowerCase());
}

export interface ListSpec {
  table: string;
  columns: string[];
  /** Parameter -> column, compared as they are. */
  exact: Record<string, string>;
  /** Parameters that are truth values of the column of the same name. */
  flags?: string[];
  /** Columns with `<column>__contains` and the other inexact comparisons. */
  texts?: string[];
}

const escapeLike = (text: string): string => text.replace(/[\\%_]/g, (special) => `\\${special}`);
const INEXACT: Record<string, (column: RawBuilder<unknown>, text: string) => RawBuilder<unknown>> = {
  contains: (column, text) => sql`${column} like ${`%${escapeLike(text)}%`}`,
  startswith: (column, text) => sql`${column} like ${`${escapeLike(text)}%`}`,
  endswith: (column, text) => sql`${column} like ${`%${escapeLike(text)}`}`,
  icontains: (column, text) => sql`lower(${column}) like lower(${`%${escapeLike(text)}%`})`,
  istartswith: (column, text) => sql`lower(${column}) like lower(${`${escapeLike(text)}%`})`,
  iendswith: (column, text) => sql`lower(${column}) like lower(${`%${escapeLike(text)}`})`,
  iexact: (column, text) => sql`lower(${column}) = lower(${text})`,
};

function conditions({ table, exact, flags = [], texts = [] }: ListSpec, query: Query): RawBuilder<unknown>[] {
  const found: RawBuilder<unknown>[] = [];
  const column = (name: string): RawBuilder<unknown> => sql`${sql.ref(`${table}.${name}`)}`;
  for (const [name, of] of Object.entries(exact)) {
    const value = single(query[name]);
    if (value !== undefined) found.push(sql`${column(of)} = ${value}`);
  }
  for (const name of flags) if (query[name] !== undefined) found.push(sql`${column(name)} = ${isSet(query, name)}`);
  for (const name of texts) {
    for (const [comparison, condition] of Object.entries(INEXACT)) {
      const value = single(query[`${name}__${comparison}`]);
      if (value !== undefined) found.push(condition(column(name), value));
    }
  }
  return found;
}

export interface Page<Row> {
  rows: Row[];
  /** Marker of the next page; undefined on the last. */
  next?: string;
}

/** One page in the order of ids. `limit` of the query is capped by `maxLimit`. */
export async function listRows<Row extends { id: string }>(db: Exec, spec: ListSpec, query: Query, maxLimit: number, where: RawBuilder<unknown>[] = []): Promise<Page<Row>> {
  const limit = readLimit(query, maxLimit);
  const marker = single(query['marker']);
  const all = [...conditions(spec, query), ...where];
  if (marker !== undefined) all.push(sql`${sql.ref(`${spec.table}.id`)} > ${marker}`);
  const columns = sql.join(spec.columns.map((name) => sql.ref(`${spec.table}.${name}`)));
  const { rows } = await sql<Row>`select ${columns} from ${sql.table(spec.table)}
    ${all.length > 0 ? sql`where ${sql.join(all, sql` and `)}` : sql``} order by ${sql.ref(`${spec.table}.id`)} limit ${limit + 1}`.execute(db);
  return rows.length > limit ? { rows: rows.slice(0, limit), next: rows[limit - 1]!.id } : { rows };
}

function readLimit(query: Query, maxLimit: number): number {
  const text = single(query['limit']);
  if (text === undefined) return maxLimit;
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0) throw badRequest(`Invalid input for field 'limit': ${JSON.stringify(text.slice(0, 40))} is not a number of 1 or more.`);
  return Math.min(Number(text), maxLimit);
}

/** `{<key>: [...], links: {next, self, previous}}`. */
export function envelope(request: FastifyRequest, key: string, items: unknown[], next?: string): Record<string, unknown> {
  return { [key]: items, links: { next: next === undefined ? null : withQuery(request, { marker: next }), self: `${baseUrl(request)}${request.url}`, previous: null } };
}

export const selfLink = (request: FastifyRequest, path: string): { self: string } => ({ self: `${baseUrl(request)}/v3/${path}` });
