import { inTransaction, sql, type Kysely } from '@virga/db';
import type { ComputeDb } from '../db/schema';

export interface PruneOptions {
  /** Days for which operations that have ended, with their steps and commands, are kept. */
  operationDays: number;
  /** Days for which instances are kept after their deletion, with all that is kept of them. */
  deletedDays: number;
  /** Rows of the leading table of one transaction. */
  batch?: number;
}

const BATCH = 200;
const ENDED = ['done', 'failed', 'cancelled'] as const;
/** Which hosts a living instance has been on is read from these, however old they are. */
const WHERE_IT_WAS = ['build', 'destroy'] as const;
const daysAgo = (days: number) => sql<Date>`NOW(3) - INTERVAL ${Math.round(days * 86_400)} SECOND`;

/** Takes away what is older than it is to be kept, one bounded batch of each. Counts what went; 0 and 0 when nothing is left to do. */
export async function pruneBatch(db: Kysely<ComputeDb>, { operationDays, deletedDays, batch = BATCH }: PruneOptions): Promise<{ operations: number; instances: number }> {
  return { operations: await pruneOperations(db, operationDays, batch), instances: await pruneInstances(db, deletedDays, batch) };
}

async function pruneOperations(db: Kysely<ComputeDb>, days: number, batch: number): Promise<number> {
  const old = await db.selectFrom('operations').select('id').where('state', 'in', [...ENDED]).where('finished_at', '<', daysAgo(days)).limit(batch).execute();
  const ids = old.map(({ id }) => id);
  if (ids.length === 0) return 0;
  await inTransaction(db, async (trx) => {
    await trx.deleteFrom('operation_steps').where('operation_id', 'in', ids).execute();
    await trx.deleteFrom('commands').where('operation_id', 'in', ids).where('verb', 'not in', [...WHERE_IT_WAS]).execute();
    // The action stays in the server's history; its events are gone.
    await trx.updateTable('instance_actions').set({ operation_id: null }).where('operation_id', 'in', ids).execute();
    await trx.deleteFrom('operations').where('id', 'in', ids).execute();
  });
  return ids.length;
}

async function pruneInstances(db: Kysely<ComputeDb>, days: number, batch: number): Promise<number> {
  const old = await db.selectFrom('instances').select('id').where('deleted_at', '<', daysAgo(days))
    .where(({ not, exists, selectFrom }) => not(exists(selectFrom('operations').select('operations.id').whereRef('operations.instance_id', '=', 'instances.id').where('operations.state', 'not in', [...ENDED]))))
    .limit(batch).execute();
  const ids = old.map(({ id }) => id);
  if (ids.length === 0) return 0;
  await inTransaction(db, async (trx) => {
    const operations = trx.selectFrom('operations').select('id').where('instance_id', 'in', ids);
    await trx.deleteFrom('operation_steps').where('operation_id', 'in', operations).execute();
    for (const table of ['commands', 'operations', 'instance_actions', 'migrations'] as const) await trx.deleteFrom(table).where('instance_id', 'in', ids).execute();
    // Faults, metadata and tags go with their instance by foreign key.
    await trx.deleteFrom('instances').where('id', 'in', ids).execute();
  });
  return ids.length;
}
