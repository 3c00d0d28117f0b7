import { conflict, newUuid, notFound, type RequestContext } from '@virga/core';
import { inTransaction, isDuplicateKey, sql, type Executor, type Selectable } from '@virga/db';
import { fromJson } from '../db/json';
import type { ComputeDb, FlavorsTable } from '../db/schema';

export type Flavor = Omit<Selectable<FlavorsTable>, 'is_public' | 'disabled'> & { is_public: boolean; disabled: boolean; extra_specs: Record<string, string> };

const SPECS = sql<unknown>`(SELECT JSON_OBJECTAGG(s.name, s.value) FROM flavor_extra_specs s WHERE s.flavor_id = flavors.id)`;

const toFlavor = (row: Selectable<FlavorsTable> & { specs: unknown }): Flavor => {
  const { specs, ...rest } = row;
  return { ...rest, is_public: row.is_public !== 0, disabled: row.disabled !== 0, extra_specs: fromJson<Record<string, string>>(specs, {}) };
};

const isAdmin = (context: RequestContext): boolean => context.roleNames.has('admin');

/** A flavor that is not public exists only for the projects that have access, and for administrators. */
export async function findFlavor(db: Executor<ComputeDb>, flavorid: string, context: RequestContext): Promise<Flavor | undefined> {
  let query = db.selectFrom('flavors').selectAll().select(SPECS.as('specs')).where('flavorid', '=', flavorid);
  if (!isAdmin(context)) query = query.where(visibleTo(context));
  const row = await query.executeTakeFirst();
  return row && toFlavor(row);
}

const visibleTo = (context: RequestContext) =>
  sql<boolean>`(is_public = 1 OR EXISTS (SELECT 1 FROM flavor_projects p WHERE p.flavor_id = flavors.id AND p.project_id = ${context.project?.id ?? ''}))`;

export async function getFlavor(db: Executor<ComputeDb>, flavorid: string, context: RequestContext): Promise<Flavor> {
  const flavor = await findFlavor(db, flavorid, context);
  if (!flavor) throw notFound(`Flavor ${flavorid} could not be found.`);
  return flavor;
}

export const FLAVOR_SORT_KEYS = ['flavorid', 'name', 'memory_mb', 'root_gb', 'ephemeral_gb', 'vcpus', 'swap', 'rxtx_factor', 'is_public', 'disabled', 'id', 'created_at', 'updated_at', 'vcpu_weight'] as const;
export type FlavorSortKey = (typeof FLAVOR_SORT_KEYS)[number];
/** Keys that nova takes to columns that we have. */
const SORT_COLUMN: Record<FlavorSortKey, keyof FlavorsTable> = {
  flavorid: 'flavorid', name: 'name', memory_mb: 'memory_mb', root_gb: 'root_gb', ephemeral_gb: 'ephemeral_gb', vcpus: 'vcpus', swap: 'swap_mb',
  rxtx_factor: 'rxtx_factor', is_public: 'is_public', disabled: 'disabled', id: 'id', created_at: 'id', updated_at: 'id', vcpu_weight: 'id',
};

export interface FlavorListOptions {
  minRam: number;
  minDisk: number;
  /** true: public ones, false: others, null: all; for administrators. */
  isPublic: boolean | null;
  sort: [FlavorSortKey, 'asc' | 'desc'][];
  limit: number;
  marker: Flavor | undefined;
}

export async function listFlavors(db: Executor<ComputeDb>, context: RequestContext, options: FlavorListOptions): Promise<Flavor[]> {
  let query = db.selectFrom('flavors').selectAll().select(SPECS.as('specs')).where('disabled', '=', 0);
  if (options.minRam > 0) query = query.where('memory_mb', '>=', options.minRam);
  if (options.minDisk > 0) query = query.where('root_gb', '>=', options.minDisk);
  if (!isAdmin(context)) query = query.where(visibleTo(context));
  else if (options.isPublic !== null) query = query.where('is_public', '=', options.isPublic ? 1 : 0);
  const keys: [keyof FlavorsTable, 'asc' | 'desc'][] = [...options.sort.map(([key, dir]) => [SORT_COLUMN[key], dir] as [keyof FlavorsTable, 'asc' | 'desc']), ['id', options.sort[0]![1]]];
  if (options.marker) {
    const marker = options.marker as unknown as Record<string, string | number>;
    // Rows after the marker in the order of all keys.
    const after = keys.map(([key, dir], index) => {
      const equal = keys.slice(0, index).map(([earlier]) => sql`${sql.ref(earlier)} <=> ${marker[earlier]}`);
      return sql`(${sql.join([...equal, sql`${sql.ref(key)} ${sql.raw(dir === 'asc' ? '>' : '<')} ${marker[key]}`], sql` AND `)})`;
    });
    query = query.where(sql<boolean>`(${sql.join(after, sql` OR `)})`);
  }
  for (const [key, dir] of keys) query = query.orderBy(key, dir);
  return (await query.limit(options.limit).execute()).map(toFlavor);
}

export interface NewFlavor {
  flavorid: string | undefined;
  name: string;
  vcpus: number;
  memory_mb: number;
  root_gb: number;
  ephemeral_gb: number;
  swap_mb: number;
  rxtx_factor: number;
  is_public: boolean;
  description: string | null;
}

/** One that is not public is at first for administrators alone: access is given by another request. */
export async function createFlavor(db: Executor<ComputeDb>, flavor: NewFlavor): Promise<string> {
  const flavorid = flavor.flavorid ?? newUuid();
  return inTransaction(db, async (trx) => {
    try {
      await trx.insertInto('flavors').values({ ...flavor, flavorid, is_public: flavor.is_public ? 1 : 0 }).execute();
      return flavorid;
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      const sameId = await trx.selectFrom('flavors').select('id').where('flavorid', '=', flavorid).executeTakeFirst();
      throw conflict(sameId ? `Flavor with ID ${flavorid} already exists.` : `Flavor with name ${flavor.name} already exists.`);
    }
  });
}

export async function deleteFlavor(db: Executor<ComputeDb>, flavorid: string): Promise<void> {
  const { numDeletedRows } = await db.deleteFrom('flavors').where('flavorid', '=', flavorid).executeTakeFirst();
  if (numDeletedRows === 0n) throw notFound(`Flavor ${flavorid} could not be found.`);
}
