import type { OvsdbClient } from '../client';
import { InvalidRequestError } from '../errors';
import type { Step, Transaction } from '../transact';
import type { NbNBGlobal, NbTables } from '../schema/ovn-nb';

type NorthboundClient = Pick<OvsdbClient<NbTables>, 'transaction' | 'commit'>;

/** How far a change must have come: compiled into the southbound database, or applied by every hypervisor host. */
export type SyncLevel = 'sb' | 'hv';

const progressColumn = { sb: 'sb_cfg', hv: 'hv_cfg' } as const;

/** Handle of a raised sequence number, to read it from the result of the transaction that raised it. */
export type SyncRequest = Step<'rows', Pick<NbNBGlobal, 'nb_cfg'>>;

/**
 * Raises the northbound sequence number within a transaction, so that everything this transaction writes counts
 * as part of it. Then `result.rows(step)[0].nb_cfg` is the number to wait for with `waitForSync`.
 */
export function requestSync(transaction: Transaction<NbTables>): SyncRequest {
  transaction.mutate('NB_Global', [], [['nb_cfg', '+=', 1]]);
  return transaction.select('NB_Global', [], ['nb_cfg']);
}

/**
 * Waits until the sequence number has been reached. The server does the waiting; no table need be monitored.
 * Rejects with WaitTimedOutError. `hv` counts every chassis that is registered: one that is down blocks it.
 */
export async function waitForSync(client: NorthboundClient, level: SyncLevel, sequence: number, timeoutMs: number): Promise<void> {
  const transaction = client.transaction();
  transaction.wait('NB_Global', {
    where: [[progressColumn[level], '<', sequence]],
    columns: ['_uuid'],
    rows: [],
    until: '==',
    timeoutMs,
  });
  await client.commit(transaction, timeoutMs + 5000);
}

/**
 * Resolves when all that was committed before has reached the level; gives the sequence number.
 * @param timeoutMs milliseconds until WaitTimedOutError
 */
export async function syncTo(client: NorthboundClient, level: SyncLevel, timeoutMs = 30_000): Promise<number> {
  const transaction = client.transaction();
  const step = requestSync(transaction);
  const sequence = (await client.commit(transaction)).rows(step)[0]?.nb_cfg;
  if (sequence === undefined) throw new InvalidRequestError('the northbound database is not initialized: it has no NB_Global row');
  await waitForSync(client, level, sequence, timeoutMs);
  return sequence;
}
