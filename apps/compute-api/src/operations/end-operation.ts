import { inTransaction, type Kysely, type Transaction } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';
import type { Operation, OperationEnd } from './operation';
import { ownedRow } from './step-context';
import { OwnershipLost } from './workflow';

/** Ends an operation for good, together with what `also` writes. Throws OwnershipLost when it is no longer ours to end. */
export async function endOperation(
  db: Kysely<ComputeDb>, operation: Operation, owner: string, end: OperationEnd, also?: (trx: Transaction<ComputeDb>) => Promise<void>,
): Promise<void> {
  await inTransaction(db, async (trx) => {
    const { numUpdatedRows } = await trx.updateTable('operations')
      .set({ state: end, owner: null, lease_until: null, waiting_command: null, finished_at: dbNow })
      .where(ownedRow(operation, owner)).executeTakeFirst();
    if (numUpdatedRows === 0n) throw new OwnershipLost();
    await also?.(trx);
    await trx.updateTable('instance_actions').set({ updated_at: dbNow, ...(end === 'done' ? {} : { message: 'Error' }) })
      .where('operation_id', '=', operation.id).execute();
    // Whoever waits for the end of this one (a delete behind a build) need not wait for the sweeper.
    await trx.updateTable('operations').set({ due_at: dbNow })
      .where('instance_id', '=', operation.instanceId).where('state', '=', 'parked').where('waiting_command', 'is', null).execute();
  });
}

/** Operations of the instance that are parked for no host: to be woken after one of its operations has ended. */
export const waitingOperations = (db: Kysely<ComputeDb>, instanceId: string): Promise<{ id: string }[]> =>
  db.selectFrom('operations').select('id').where('instance_id', '=', instanceId).where('state', 'in', ['pending', 'parked'])
    .where('waiting_command', 'is', null).execute();
