import { inTransaction, sql, type Executor, type Kysely } from '@virga/db';
import type { Resources } from '@virga/domain';
import type { PlacementDb } from '../db/tables';

export interface Allocation {
  consumerId: string;
  hostId: string;
  resources: Resources;
}

/**
 * What `from` holds goes to `to`, whose own is given back. Undefined when `from` holds nothing; otherwise what was given back,
 * if anything was. With `onHost` a claim elsewhere counts as none.
 */
export function transfer(db: Kysely<PlacementDb>, from: string, to: string, onHost?: string): Promise<{ givenBack: Allocation | undefined } | undefined> {
  return inTransaction(db, async (trx) => {
    const held = await trx.selectFrom('allocations').select('host_id').where('consumer_id', '=', from).forUpdate().executeTakeFirst();
    if (!held || (onHost !== undefined && held.host_id !== onHost)) return undefined;
    const givenBack = await release(trx, to);
    await trx.updateTable('allocations').set({ consumer_id: to }).where('consumer_id', '=', from).execute();
    return { givenBack };
  });
}

/** Gives back what the consumer holds; undefined when that is nothing. */
export function release(db: Executor<PlacementDb>, consumerId: string): Promise<Allocation | undefined> {
  return inTransaction(db, async (trx) => {
    const row = await trx.selectFrom('allocations').selectAll().where('consumer_id', '=', consumerId).forUpdate().executeTakeFirst();
    if (!row) return undefined;
    await trx.deleteFrom('allocations').where('consumer_id', '=', consumerId).execute();
    await trx.updateTable('hosts').where('id', '=', row.host_id).set({
      used_vcpus: sql`used_vcpus - ${row.vcpus}`, used_memory_mb: sql`used_memory_mb - ${row.memory_mb}`, used_disk_gb: sql`used_disk_gb - ${row.disk_gb}`,
    }).execute();
    return allocationOf(row);
  });
}

export async function listAllocations(db: Kysely<PlacementDb>, hostId?: string): Promise<Allocation[]> {
  const rows = await db.selectFrom('allocations').selectAll().$if(hostId !== undefined, (query) => query.where('host_id', '=', hostId!))
    .orderBy('created_at').orderBy('consumer_id').execute();
  return rows.map(allocationOf);
}

const allocationOf = (row: { consumer_id: string; host_id: string; vcpus: number; memory_mb: number; disk_gb: number }): Allocation => ({
  consumerId: row.consumer_id, hostId: row.host_id, resources: { vcpus: row.vcpus, memoryMb: row.memory_mb, diskGb: row.disk_gb },
});
