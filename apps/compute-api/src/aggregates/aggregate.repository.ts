import { badRequest, conflict, notFound } from '@virga/core';
import { isDuplicateKey, sql, type Executor, type Selectable, type Transaction } from '@virga/db';
import { fromJson } from '../db/json';
import type { AggregatesTable, ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';

export type Aggregate = Selectable<AggregatesTable> & { hosts: string[]; metadata: Record<string, string> };

/** Key of the metadata that makes an aggregate an availability zone. */
export const ZONE_KEY = 'availability_zone';

const HOSTS = sql<unknown>`(SELECT JSON_ARRAYAGG(h.hostname ORDER BY h.num) FROM aggregate_hosts a JOIN hosts h ON h.id = a.host_id WHERE a.aggregate_id = aggregates.id)`;
const METADATA = sql<unknown>`(SELECT JSON_OBJECTAGG(m.name, m.value) FROM aggregate_metadata m WHERE m.aggregate_id = aggregates.id)`;

const select = (db: Executor<ComputeDb>) => db.selectFrom('aggregates').selectAll().select([HOSTS.as('hosts_json'), METADATA.as('metadata_json')]);
type Row = Selectable<AggregatesTable> & { hosts_json: unknown; metadata_json: unknown };
const toAggregate = ({ hosts_json: hosts, metadata_json: metadata, ...row }: Row): Aggregate => ({ ...row, hosts: fromJson(hosts, []), metadata: fromJson(metadata, {}) });

export async function listAggregates(db: Executor<ComputeDb>): Promise<Aggregate[]> {
  return (await select(db).orderBy('id').execute()).map(toAggregate);
}

/** The number in a path: 400 for what is none, 404 for one that no aggregate can have. */
export function aggregateId(text: string): number {
  if (!/^-?\d+$/.test(text)) throw badRequest('id must be an integer');
  const id = Number(text);
  if (id < 0 || id > 0xffffffff) throw notFound(`Aggregate ${text.slice(0, 40)} could not be found.`);
  return id;
}

export async function getAggregate(db: Executor<ComputeDb>, id: number): Promise<Aggregate> {
  const row = await select(db).where('id', '=', id).executeTakeFirst();
  if (!row) throw notFound(`Aggregate ${id} could not be found.`);
  return toAggregate(row);
}

/** The aggregate's row, locked until the transaction ends: changes of one aggregate come one after another. */
export async function lockAggregate(trx: Transaction<ComputeDb>, id: number): Promise<Aggregate> {
  const row = await trx.selectFrom('aggregates').select('id').where('id', '=', id).forUpdate().executeTakeFirst();
  if (!row) throw notFound(`Aggregate ${id} could not be found.`);
  return getAggregate(trx, id);
}

export async function createAggregate(trx: Transaction<ComputeDb>, uuid: string, name: string): Promise<number> {
  try {
    const { insertId } = await trx.insertInto('aggregates').values({ uuid, name, created_at: dbNow, updated_at: null }).executeTakeFirstOrThrow();
    return Number(insertId);
  } catch (error) {
    throw nameTaken(error, name);
  }
}

export async function renameAggregate(trx: Transaction<ComputeDb>, id: number, name: string): Promise<void> {
  await trx.updateTable('aggregates').set({ name }).where('id', '=', id).execute().catch((error: unknown) => { throw nameTaken(error, name); });
}

const nameTaken = (error: unknown, name: string): unknown => (isDuplicateKey(error) ? conflict(`Aggregate ${name} already exists.`) : error);

export async function touchAggregate(trx: Transaction<ComputeDb>, id: number): Promise<void> {
  await trx.updateTable('aggregates').set({ updated_at: dbNow }).where('id', '=', id).execute();
}

/** Sets some keys; null removes one. */
export async function setAggregateMetadata(trx: Transaction<ComputeDb>, id: number, metadata: Record<string, string | null>): Promise<void> {
  for (const [name, value] of Object.entries(metadata)) {
    if (value === null) await trx.deleteFrom('aggregate_metadata').where('aggregate_id', '=', id).where('name', '=', name).execute();
    else await trx.insertInto('aggregate_metadata').values({ aggregate_id: id, name, value }).onDuplicateKeyUpdate({ value }).execute();
  }
}
