import { badRequest, conflict, notFound } from '@virga/core';
import { isDuplicateKey, isForeignKeyViolation, sql } from '@virga/db';
import type { Exec, Trx } from '../db/tables';

/** The row of that id. Throws keystone's 404, `Could not find <noun>: <id>.` */
export async function findRow<Row>(db: Exec, table: string, noun: string, id: string): Promise<Row> {
  const { rows } = await sql<Row>`select * from ${sql.table(table)} where id = ${id}`.execute(db);
  if (!rows[0]) throw missing(noun, id);
  return rows[0];
}

/** As `findRow`, and nobody else changes, deletes or refers to the row until the transaction ends. */
export async function lockRow<Row>(trx: Trx, table: string, noun: string, id: string): Promise<Row> {
  const { rows } = await sql<Row>`select * from ${sql.table(table)} where id = ${id} for update`.execute(trx);
  if (!rows[0]) throw missing(noun, id);
  return rows[0];
}

/** Throws 404 unless the row is there, and keeps it there until the transaction ends. */
export async function holdRow(trx: Trx, table: string, noun: string, id: string): Promise<void> {
  const { rows } = await sql`select id from ${sql.table(table)} where id = ${id} lock in share mode`.execute(trx);
  if (!rows[0]) throw missing(noun, id);
}

export const missing = (noun: string, id: string) => notFound(`Could not find ${noun}: ${id}.`);

/** Runs a write; a name that is taken is 409 in the given words, a reference that has gone meanwhile 404. */
export async function storing<T>(work: Promise<T>, taken: string, gone = 'A resource that this one refers to could not be found.'): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isDuplicateKey(error)) throw conflict(taken);
    if (isForeignKeyViolation(error)) throw notFound(gone);
    throw error;
  }
}

/** Attributes that are not the resource's own; keystone keeps and shows them. */
export function extraOf(body: Record<string, unknown>, known: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(body).filter(([key]) => !known.includes(key) && key !== 'id' && key !== 'links'));
}

export const parseObject = (json: string): Record<string, unknown> => JSON.parse(json) as Record<string, unknown>;
/** `extra` of a row with those of a change laid over it. */
export const mergedExtra = (stored: string, body: Record<string, unknown>, known: readonly string[]): string =>
  JSON.stringify({ ...parseObject(stored), ...extraOf(body, known) });
/** `options` with those of a change; null removes one. */
export const mergedOptions = (stored: string, options: Record<string, unknown> | undefined): string =>
  JSON.stringify(Object.fromEntries(Object.entries({ ...parseObject(stored), ...options }).filter(([, value]) => value !== null)));

export const isImmutable = (options: string): boolean => parseObject(options)['immutable'] === true;

/** The parts of an object that are not undefined. */
export const defined = <T extends object>(values: T): Partial<T> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;

/** 400 when a body's id is not the one of the path. */
export function checkSameId(noun: string, id: string, body: Record<string, unknown>): void {
  if (body['id'] !== undefined && body['id'] !== id) throw badRequest(`Cannot change ${noun} ID`);
}
