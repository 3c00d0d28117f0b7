import type { ActorRef } from '@virga/core';
import { inTransaction, type Kysely } from '@virga/db';
import { SERVER_ACTIONS } from '@virga/domain';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';
import { createMigration } from '../migrations/migration.repository';
import { startOperation } from '../operations/start-operation';
import type { InstanceRow } from '../operations/workflow';
import type { ServerFlavor } from '../servers/server-row';
import type { ResizeArgs } from '../workflows/resize-instance';

export interface WantedColdMigration {
  /** As it was when it was judged; an instance that has changed since is not moved. */
  row: Pick<InstanceRow, 'id' | 'generation' | 'vm_state' | 'locked' | 'flavor_json'> & { host_id: string; host: string };
  actor: ActorRef;
  /** Name of the destination; chosen by the scheduler when absent. */
  host?: string;
}

/** Starts the move of a guest to another host, as the action `migrate` does; the operation's id, or undefined when the instance has changed meanwhile. The relay is to be woken. */
export async function beginColdMigration(db: Kysely<ComputeDb>, { row, actor, host }: WantedColdMigration): Promise<string | undefined> {
  const flavor = JSON.parse(row.flavor_json) as ServerFlavor;
  return inTransaction(db, async (trx) => {
    const generation = row.generation + 1;
    const { numUpdatedRows } = await trx.updateTable('instances')
      .set({ held_cores: 0, held_ram: 0, task_state: SERVER_ACTIONS.migrate.taskState!, generation, updated_at: dbNow, state_changed_at: dbNow })
      .where('id', '=', row.id).where('generation', '=', row.generation).where('vm_state', '=', row.vm_state).where('task_state', 'is', null)
      .where('locked', '=', row.locked).where('deleted_at', 'is', null).executeTakeFirst();
    if (numUpdatedRows === 0n) return undefined;
    const args: ResizeArgs = { ...(host !== undefined && { host }) };
    const operationId = await startOperation(trx, { kind: 'resize-instance', instanceId: row.id, generation, actor, args: { ...args }, action: SERVER_ACTIONS.migrate.name });
    await createMigration(trx, {
      type: 'migration', status: 'pre-migrating', instanceId: row.id, actor, source: { hostId: row.host_id, hostname: row.host }, oldFlavor: flavor.flavorid, operationId,
      cold: { oldFlavor: flavor, newFlavor: flavor, vmState: row.vm_state },
    });
    return operationId;
  });
}

/** Starts the confirmation of a move that has come to its end; the operation's id, or undefined when the instance has changed meanwhile. The relay is to be woken. */
export async function beginConfirmation(db: Kysely<ComputeDb>, { id, generation }: Pick<InstanceRow, 'id' | 'generation'>, migrationId: number, actor: ActorRef): Promise<string | undefined> {
  return inTransaction(db, async (trx) => {
    const { numUpdatedRows } = await trx.updateTable('instances').set({ task_state: 'resize_confirming', generation: generation + 1, updated_at: dbNow, state_changed_at: dbNow })
      .where('id', '=', id).where('generation', '=', generation).where('vm_state', '=', 'resized').where('task_state', 'is', null).where('deleted_at', 'is', null).executeTakeFirst();
    if (numUpdatedRows === 0n) return undefined;
    const operationId = await startOperation(trx, { kind: 'confirm-resize', instanceId: id, generation: generation + 1, actor, action: 'confirmResize' });
    await trx.updateTable('migrations').set({ status: 'confirming', operation_id: operationId, updated_at: dbNow }).where('id', '=', migrationId).execute();
    return operationId;
  });
}
