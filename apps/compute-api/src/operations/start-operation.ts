import { newUuid, noteAccepted, type ActorRef } from '@virga/core';
import { addToOutbox, type Transaction } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';
import type { OperationKind } from './operation';

/** Topics of the outbox. */
export const WAKE_TOPIC = 'operation';
export const COMMAND_TOPIC = 'host-command';

export interface NewOperation {
  kind: OperationKind;
  instanceId: string;
  /** The instance's generation after the caller has raised it in the same transaction. */
  generation: number;
  actor: ActorRef;
  args?: Record<string, unknown>;
  /** Name in the list of instance actions; absent for work that no user asked for. */
  action?: string;
}

/** Puts an operation, its trace for the user and its wake-up beside the state change that the caller makes. */
export async function startOperation(trx: Transaction<ComputeDb>, { kind, instanceId, generation, actor, args = {}, action }: NewOperation): Promise<string> {
  const id = newUuid();
  await trx.insertInto('operations').values({
    id, kind, instance_id: instanceId, request_id: actor.requestId, actor_json: JSON.stringify(actor), args_json: JSON.stringify(args),
    data_json: '{}', state: 'pending', generation, owner: null, lease_until: null, due_at: dbNow, waiting_command: null, error_json: null,
    created_at: dbNow, finished_at: null,
  }).execute();
  if (action !== undefined) await recordAction(trx, { instanceId, action, actor, operationId: id });
  await addToOutbox(trx, { topic: WAKE_TOPIC, payload: { operationId: id } });
  noteAccepted({ kind, operationId: id, instanceId });
  return id;
}

/** An entry of os-instance-actions; without an operation it is done at once (lock, unlock). */
export async function recordAction(
  trx: Transaction<ComputeDb>, { instanceId, action, actor, operationId = null }: { instanceId: string; action: string; actor: ActorRef; operationId?: string | null },
): Promise<void> {
  await trx.insertInto('instance_actions').values({
    instance_id: instanceId, operation_id: operationId, action, request_id: actor.requestId, user_id: actor.userId, project_id: actor.projectId,
    start_time: dbNow, updated_at: dbNow, message: null,
  }).execute();
}
