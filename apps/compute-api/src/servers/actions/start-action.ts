import { actorOf, conflict } from '@virga/core';
import { inTransaction, type Transaction } from '@virga/db';
import { refuseAction, SERVER_ACTIONS, type ServerAction, type ServerActionName } from '@virga/domain';
import type { ComputeDb } from '../../db/schema';
import { dbNow } from '../../db/time';
import type { OperationKind } from '../../operations/operation';
import { startOperation } from '../../operations/start-operation';
import type { InstanceChanges, InstanceRow } from '../../operations/workflow';
import { getInstance } from '../server.repository';
import type { ActionContext } from './action';

/** What an action does once the state allows it. */
export interface ActionPlan {
  kind: OperationKind;
  args: Record<string, unknown>;
  /** Columns of the instance that change with the start. */
  changes?: InstanceChanges;
  /** More to be written in the same transaction, e.g. what is taken of a quota. */
  also?(trx: Transaction<ComputeDb>, operationId: string): Promise<void>;
}

export interface StartedAction { operationId: string; row: InstanceRow }
type Asked = Pick<ActionContext, 'db' | 'policy' | 'caller' | 'serverId'>;

/** 409 in nova's words when the server's state or its lock forbids the action. */
export function checkAction({ policy, caller }: Pick<Asked, 'policy' | 'caller'>, name: ServerActionName, row: InstanceRow): void {
  const mayOverrideLock = policy.allows(caller, 'os_compute_api:os-lock-server:unlock:unlock_override');
  const refusal = refuseAction(SERVER_ACTIONS[name], { id: row.id, vmState: row.vm_state, taskState: row.task_state, locked: row.locked !== 0 }, mayOverrideLock);
  if (refusal) throw conflict(refusal.message);
}

/**
 * Starts an action that takes time: one transaction with the compare-and-swap on the state in which it was found. Whoever
 * comes second is told the state that the first one has set. `plan` is asked after the state was found to allow the
 * action, and again when the state has changed meanwhile; what it throws is the answer. `onHost: false` for actions of
 * servers that may be on no host.
 */
export async function startAction(asked: Asked, name: ServerActionName, plan: (row: InstanceRow) => ActionPlan | Promise<ActionPlan>, { onHost = true } = {}): Promise<StartedAction> {
  const { db, caller, serverId } = asked;
  const action: ServerAction = SERVER_ACTIONS[name];
  for (;;) {
    const row = await getInstance(db, caller, serverId);
    checkAction(asked, name, row);
    if (onHost && row.host_id === null) throw conflict(`Instance ${row.id} is not ready`);
    const { kind, args, changes = {}, also } = await plan(row);
    const operationId = await inTransaction(db, async (trx) => {
      const generation = row.generation + 1;
      const { numUpdatedRows } = await trx.updateTable('instances').set({ ...changes, task_state: action.taskState!, generation, updated_at: dbNow, state_changed_at: dbNow })
        .where('id', '=', row.id).where('generation', '=', row.generation).where('vm_state', '=', row.vm_state).where('task_state', 'is', null)
        .where('locked', '=', row.locked).where('deleted_at', 'is', null).executeTakeFirst();
      if (numUpdatedRows === 0n) return undefined;
      const id = await startOperation(trx, { kind, instanceId: row.id, generation, actor: actorOf(caller), args, action: action.name });
      await also?.(trx, id);
      return id;
    });
    if (operationId !== undefined) return { operationId, row };
  }
}
