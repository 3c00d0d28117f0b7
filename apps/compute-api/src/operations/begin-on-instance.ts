import type { ActorRef } from '@virga/core';
import { inTransaction, type Kysely, type Transaction } from '@virga/db';
import type { TaskState } from '@virga/domain';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';
import type { OperationKind } from './operation';
import { startOperation } from './start-operation';
import type { InstanceChanges, InstanceRow } from './workflow';

/** What is begun, and what is written with it. */
export interface OperationPlan {
  kind: OperationKind;
  /** Made in the transaction where they name what is written in it. */
  args: Record<string, unknown> | ((trx: Transaction<ComputeDb>) => Promise<Record<string, unknown>>);
  /** Columns of the instance that change with the start. */
  changes?: InstanceChanges;
  /** More to be written in the same transaction, e.g. what is taken of a quota. */
  also?(trx: Transaction<ComputeDb>, operationId: string): Promise<void>;
}

export interface Beginning {
  /** The instance as it was when it was judged. */
  row: Pick<InstanceRow, 'id' | 'generation' | 'vm_state' | 'locked'>;
  actor: ActorRef;
  taskState: TaskState;
  /** Name in the list of instance actions. */
  action: string;
}

/**
 * Starts an operation on an instance that nothing is being done to, in one transaction with the compare-and-swap on the state in which
 * it was found; the operation's id, or undefined when the instance has changed meanwhile. The relay is to be woken.
 */
export async function beginOnInstance(db: Kysely<ComputeDb>, { row, actor, taskState, action }: Beginning, { kind, args, changes, also }: OperationPlan): Promise<string | undefined> {
  return inTransaction(db, async (trx) => {
    const generation = row.generation + 1;
    const { numUpdatedRows } = await trx.updateTable('instances').set({ ...changes, task_state: taskState, generation, updated_at: dbNow, state_changed_at: dbNow })
      .where('id', '=', row.id).where('generation', '=', row.generation).where('vm_state', '=', row.vm_state).where('task_state', 'is', null)
      .where('locked', '=', row.locked).where('deleted_at', 'is', null).executeTakeFirst();
    if (numUpdatedRows === 0n) return undefined;
    const id = await startOperation(trx, { kind, instanceId: row.id, generation, actor, args: typeof args === 'function' ? await args(trx) : args, action });
    await also?.(trx, id);
    return id;
  });
}
