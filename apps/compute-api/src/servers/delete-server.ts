import { actorOf, conflict, type RequestContext } from '@virga/core';
import { inTransaction } from '@virga/db';
import { dbNow } from '../db/time';
import { LIVE_STATES } from '../operations/operation';
import { startOperation } from '../operations/start-operation';
import type { Db } from '../tokens';
import { getInstance } from './server.repository';

/**
 * DELETE /servers/{id}: wins over everything that is being done to the server. The new generation shuts out what older
 * operations still write; a delete that is already under way is left to it.
 */
export async function deleteServer(db: Db, caller: RequestContext, id: string, mayOverrideLock: boolean): Promise<void> {
  await getInstance(db, caller, id);
  await inTransaction(db, async (trx) => {
    const row = await trx.selectFrom('instances').selectAll().where('id', '=', id).where('deleted_at', 'is', null).forUpdate().executeTakeFirst();
    if (!row) return;
    if (row.locked !== 0 && !mayOverrideLock) throw conflict(`Instance ${id} is locked`);
    const underWay = await trx.selectFrom('operations').select('id').where('instance_id', '=', id).where('kind', '=', 'delete-instance').where('state', 'in', [...LIVE_STATES]).executeTakeFirst();
    if (underWay) return;
    const generation = row.generation + 1;
    await trx.updateTable('instances').set({ task_state: 'deleting', generation, updated_at: dbNow, state_changed_at: dbNow }).where('id', '=', id).execute();
    await trx.updateTable('operations').set({ cancel_requested: 1 }).where('instance_id', '=', id).where('state', 'in', [...LIVE_STATES]).execute();
    await startOperation(trx, { kind: 'delete-instance', instanceId: id, generation, actor: actorOf(caller), action: 'delete' });
  });
}
