import type { Kysely, Transaction } from '@virga/db';
import type { ComputeDb } from '../db/schema';

type Db = Kysely<ComputeDb> | Transaction<ComputeDb>;

/**
 * Instances, out of `ids`, of which the host keeps what it has although they may be booked elsewhere: a migration has ended with their
 * memory on two hosts, and nobody has started or rebuilt them since.
 */
export async function keptOn(db: Db, hostId: string, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await db.selectFrom('migrations as m').innerJoin('instances as i', (join) => join.onRef('i.id', '=', 'm.instance_id').onRef('i.generation', '=', 'm.kept_generation'))
    .select('m.instance_id').where('m.instance_id', 'in', [...ids]).where('i.deleted_at', 'is', null)
    .where((eb) => eb.or([eb('m.source_host_id', '=', hostId), eb('m.dest_host_id', '=', hostId)])).execute();
  return new Set(rows.map(({ instance_id: id }) => id));
}

export const isKept = async (db: Db, instanceId: string, hostId: string): Promise<boolean> => (await keptOn(db, hostId, [instanceId])).has(instanceId);

/** The instance has a new generation, and nothing has been done to its guest by that. */
export async function keepHalves(trx: Transaction<ComputeDb>, instanceId: string, generation: number): Promise<void> {
  await trx.updateTable('migrations').set({ kept_generation: generation + 1 }).where('instance_id', '=', instanceId).where('kept_generation', '=', generation).execute();
}
