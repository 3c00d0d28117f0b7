import { actorOf, conflict, systemClock, type RequestContext } from '@virga/core';
import { inTransaction } from '@virga/db';
import { dbNow } from '../db/time';
import { CANCEL, LIVE_STATES } from '../operations/operation';
import { startOperation } from '../operations/start-operation';
import type { Db } from '../tokens';
import { getInstance } from './server.repository';

/**
 * DELETE /servers/{id}: wins over everything that is being done to the server. The new generation shuts out what older
 * operations still write; a delete that is already under way is left to it. Tells whether the server is on a host.
 */
export async function deleteServer(db: Db, caller: RequestContext, id: string, mayOverrideLock: boolean): Promise<{ onHost: boolean }> {
  const { host_id: hostId } = await getInstance(db, caller, id);
  await inTransaction(db, async (trx) => {
    const row = await trx.selectFrom('instances').selectAll().where('id', '=', id).where('deleted_at', 'is', null).forUpdate().executeTakeFirst();
    if (!row) return;
    if (row.locked !== 0 && !mayOverrideLock) throw conflict(`Instance ${id} is locked`);
    const underWay = await trx.selectFrom('operations').select('id').where('instance_id', '=', id).where('kind', '=', 'delete-instance').where('state', 'in', [...LIVE_STATES]).executeTakeFirst();
    if (underWay) return;
    const generation = row.generation + 1;
    await trx.updateTable('instances').set({ task_state: 'deleting', generation, updated_at: dbNow, state_changed_at: dbNow }).where('id', '=', id).execute();
    await trx.updateTable('operations').set({ cancel_requested: CANCEL.superseded }).where('instance_id', '=', id).where('state', 'in', [...LIVE_STATES]).execute();
    await startOperation(trx, { kind: 'delete-instance', instanceId: id, generation, actor: actorOf(caller), action: 'delete' });
  });  return { onHost: hostId !== null };
}

const PATIENCE_MS = 2000;

/**
 * A server that is on no host is gone within moments, and clients count on it: nova removes it before it answers, and
 * the stock client takes a server that still shows ERROR after its deletion for one that could not be deleted. The
 * operation goes on whether or not this waits to its end.
 */
export async function untilGone(db: Db, id: string): Promise<void> {
  const end = systemClock.now() + PATIENCE_MS;
  while (systemClock.now() < end) {
    await systemClock.sleep(20);
    const there = await db.selectFrom('instances').select('id').where('id', '=', id).where('deleted_at', 'is', null).executeTakeFirst();
    if (!there) return;
  }
}
