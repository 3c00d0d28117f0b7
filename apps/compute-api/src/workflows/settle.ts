import type { Transaction } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';
import type { Operation, OperationFailure } from '../operations/operation';
import type { InstanceChanges } from '../operations/workflow';
import { recordFault } from './record-fault';

/** Nobody works on the instance any more, and these are its columns now; nothing when a newer operation has taken it over. */
export async function settle(trx: Transaction<ComputeDb>, { instanceId, generation }: Operation, changes: InstanceChanges = {}): Promise<void> {
  await trx.updateTable('instances').set({ ...changes, task_state: null, updated_at: dbNow, state_changed_at: dbNow })
    .where('id', '=', instanceId).where('generation', '=', generation).execute();
}

/** The instance is as it was, and why it did not become something else is kept. */
export async function giveBack(trx: Transaction<ComputeDb>, operation: Operation, failure: OperationFailure, changes: InstanceChanges = {}): Promise<void> {
  await settle(trx, operation, changes);
  await recordFault(trx, operation.instanceId, failure);
}

/** The power state that a host told with the end of a command, if it did. */
export function toldPowerState(result: unknown): number | undefined {
  const told = (result as { powerState?: unknown } | null | undefined)?.powerState;
  return typeof told === 'number' ? told : undefined;
}
