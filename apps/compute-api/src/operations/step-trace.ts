import { sql, type Kysely } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { dbNow, dbNowPlus } from '../db/time';
import type { Operation } from './operation';

/**
 * Records the start of a step once, however often it is run again. Returns its deadline, and whether that has passed
 * by the database's clock, and how long ago the step began.
 */
export async function traceStart(
  db: Kysely<ComputeDb>, operation: Operation, step: string, timeoutMs: number,
): Promise<{ deadline: Date; late: boolean; firstRun: boolean; ageSeconds: number }> {
  const { numInsertedOrUpdatedRows } = await db.insertInto('operation_steps').ignore().values({
    operation_id: operation.id, phase: operation.phase, step, attempt: operation.attempt, host: (operation.data.hostname as string | undefined) ?? null,
    started_at: dbNow, deadline: dbNowPlus(timeoutMs), finished_at: null, result: null, details: null,
  }).executeTakeFirst();
  const row = await db.selectFrom('operation_steps').select(['deadline', (eb) => eb('deadline', '<=', dbNow).as('late'), sql<string>`TIMESTAMPDIFF(MICROSECOND, started_at, NOW(3))`.as('age')])
    .where('operation_id', '=', operation.id).where('phase', '=', operation.phase).where('step', '=', step).where('attempt', '=', operation.attempt)
    .executeTakeFirstOrThrow();
  return { deadline: row.deadline, late: Boolean(row.late), firstRun: numInsertedOrUpdatedRows === 1n, ageSeconds: Number(row.age) / 1e6 };
}

export async function traceEnd(
  db: Kysely<ComputeDb>, operation: Operation, step: string, result: 'Success' | 'Error', details?: string,
): Promise<void> {
  await db.updateTable('operation_steps')
    .set({ finished_at: dbNow, result, details: details ?? null, ...(operation.data.hostname ? { host: operation.data.hostname as string } : {}) })
    .where('operation_id', '=', operation.id).where('phase', '=', operation.phase).where('step', '=', step).where('attempt', '=', operation.attempt)
    .execute();
}
