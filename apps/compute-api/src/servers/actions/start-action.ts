import { actorOf, conflict } from '@virga/core';
import { refuseAction, SERVER_ACTIONS, type ServerActionName } from '@virga/domain';
import { beginOnInstance, type OperationPlan } from '../../operations/begin-on-instance';
import type { InstanceRow } from '../../operations/workflow';
import { getInstance } from '../server.repository';
import type { ActionContext } from './action';

export interface StartedAction { operationId: string; row: InstanceRow }
type Asked = Pick<ActionContext, 'db' | 'policy' | 'caller' | 'serverId'>;

/** 409 in nova's words when the server's state or its lock forbids the action. */
export function checkAction({ policy, caller }: Pick<Asked, 'policy' | 'caller'>, name: ServerActionName, row: InstanceRow): void {
  const mayOverrideLock = policy.allows(caller, 'os_compute_api:os-lock-server:unlock:unlock_override');
  const refusal = refuseAction(SERVER_ACTIONS[name], { id: row.id, vmState: row.vm_state, taskState: row.task_state, locked: row.locked !== 0 }, mayOverrideLock);
  if (refusal) throw conflict(refusal.message);
}

/**
 * Starts an action that takes time, by the state in which the server was found. Whoever
 * comes second is told the state that the first one has set. `plan` is asked after the state was found to allow the
 * action, and again when the state has changed meanwhile; what it throws is the answer. `onHost: false` for actions of
 * servers that may be on no host.
 */
export async function startAction(asked: Asked, name: ServerActionName, plan: (row: InstanceRow) => OperationPlan | Promise<OperationPlan>, { onHost = true } = {}): Promise<StartedAction> {
  const { db, caller, serverId } = asked;
  const { taskState, name: action } = SERVER_ACTIONS[name];
  for (;;) {
    const row = await getInstance(db, caller, serverId);
    checkAction(asked, name, row);
    if (onHost && row.host_id === null) throw conflict(`Instance ${row.id} is not ready`);
    const operationId = await beginOnInstance(db, { row, actor: actorOf(caller), taskState: taskState!, action }, await plan(row));
    if (operationId !== undefined) return { operationId, row };
  }
}
