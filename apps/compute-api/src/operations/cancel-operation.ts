import { addToOutbox, type Transaction } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';
import { WORKFLOWS } from '../workflows';
import { CANCEL, LIVE_STATES, type OperationKind } from './operation';
import { WAKE_TOPIC } from './start-operation';
import type { Workflow } from './workflow';

/**
 * `requested`: it will be undone, unless a step that is under way turns out to be its point of no return; also for a repeat.
 * `noReturn`: it goes on to its end. `ended`: it has ended, or there is none of that id. `unsupported`: its kind cannot be cancelled.
 */
export type CancelAnswer = 'requested' | 'noReturn' | 'ended' | 'unsupported';

/** Wants an operation undone, in the caller's transaction. Whoever is first, its next step or this, is decided by the row. */
export async function cancelOperation(trx: Transaction<ComputeDb>, operationId: string, workflows: Record<OperationKind, Workflow> = WORKFLOWS): Promise<CancelAnswer> {
  const row = await trx.selectFrom('operations').select('kind').where('id', '=', operationId).executeTakeFirst();
  if (!row) return 'ended';
  const { steps, cancelled } = workflows[row.kind as OperationKind];
  if (!cancelled) return 'unsupported';
  const { numUpdatedRows } = await trx.updateTable('operations').set({ cancel_requested: CANCEL.undo, due_at: dbNow })
    .where('id', '=', operationId).where('state', 'in', [...LIVE_STATES]).where('cancel_requested', '=', CANCEL.no).where('no_return', '=', 0)
    .where((eb) => eb.or([eb('phase', '=', 'undo'), eb('step', '<', steps.length)])).executeTakeFirst();
  if (numUpdatedRows === 1n) {
    await addToOutbox(trx, { topic: WAKE_TOPIC, payload: { operationId } });
    return 'requested';
  }
  const now = await trx.selectFrom('operations').select(['state', 'cancel_requested']).where('id', '=', operationId).executeTakeFirstOrThrow();
  if (!(LIVE_STATES as readonly string[]).includes(now.state)) return 'ended';
  return now.cancel_requested === CANCEL.no ? 'noReturn' : 'requested';
}
