import { notFound, type ActorRef } from '@virga/core';
import { inTransaction, type Kysely } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';

export interface DrainReport {
  host: string;
  /** `draining`, `drained`, `restoring`, `restored`; `none` for a host that nobody has drained. */
  state: string;
  instances: { id: string; name: string; state: string; where: string | null; message: string | null }[];
}

export const isDone = ({ state }: { state: string }): boolean => ['drained', 'restored', 'none'].includes(state);

async function hostNamed(db: Kysely<ComputeDb>, hostname: string): Promise<{ id: string }> {
  const host = await db.selectFrom('hosts').select('id').where('hostname', '=', hostname).executeTakeFirst();
  if (!host) throw notFound(`Compute host ${hostname} could not be found.`);
  return host;
}

/** Takes a host out of service and has its running guests moved away; from then on the keeper of drains works on it. A repeat only tells how far it is. */
export async function drainHost(db: Kysely<ComputeDb>, hostname: string, actor: ActorRef): Promise<DrainReport> {
  const { id } = await hostNamed(db, hostname);
  await inTransaction(db, async (trx) => {
    const known = await trx.selectFrom('host_drains').select('state').where('host_id', '=', id).forUpdate().executeTakeFirst();
    if (known?.state === 'draining' || known?.state === 'drained') return;
    if (known?.state === 'restored') await trx.deleteFrom('drained_instances').where('host_id', '=', id).execute();
    // What was away when its return was broken off still is, and comes back with the next one.
    await trx.updateTable('drained_instances').set({ state: 'away', tries: 0, operation_id: null, message: null }).where('host_id', '=', id).execute();
    await trx.insertInto('host_drains').values({ host_id: id, state: 'draining', actor_json: JSON.stringify(actor), created_at: dbNow, updated_at: dbNow })
      .onDuplicateKeyUpdate({ state: 'draining', actor_json: JSON.stringify(actor), created_at: dbNow, updated_at: dbNow }).execute();
    await trx.updateTable('services').set({ disabled: 1, disabled_reason: 'drained', updated_at: dbNow }).where('host_id', '=', id).execute();
  });
  return drainReport(db, hostname);
}

/** Takes a host into service again and has those guests brought back that its drain has moved away. A repeat only tells how far it is. */
export async function restoreHost(db: Kysely<ComputeDb>, hostname: string, actor: ActorRef): Promise<DrainReport> {
  const { id } = await hostNamed(db, hostname);
  await inTransaction(db, async (trx) => {
    const { numUpdatedRows } = await trx.updateTable('host_drains').set({ state: 'restoring', actor_json: JSON.stringify(actor), updated_at: dbNow })
      .where('host_id', '=', id).where('state', 'in', ['draining', 'drained']).executeTakeFirst();
    if (numUpdatedRows === 0n) return;
    await trx.deleteFrom('drained_instances').where('host_id', '=', id).where('state', 'in', ['stays', 'failed']).execute();
    await trx.updateTable('drained_instances').set({ state: 'waiting', tries: 0, operation_id: null, message: null, updated_at: dbNow }).where('host_id', '=', id).execute();
    await trx.updateTable('services').set({ disabled: 0, disabled_reason: null, updated_at: dbNow }).where('host_id', '=', id).execute();
  });
  return drainReport(db, hostname);
}

/** How far a host's drain or return is. */
export async function drainReport(db: Kysely<ComputeDb>, hostname: string): Promise<DrainReport> {
  const { id } = await hostNamed(db, hostname);
  const drain = await db.selectFrom('host_drains').select('state').where('host_id', '=', id).executeTakeFirst();
  const instances = await db.selectFrom('drained_instances as d').innerJoin('instances as i', 'i.id', 'd.instance_id')
    .select(['i.id', 'i.display_name as name', 'd.state', 'i.host as where', 'd.message']).where('d.host_id', '=', id).orderBy('i.display_name').orderBy('i.id').execute();
  return { host: hostname, state: drain?.state ?? 'none', instances };
}
