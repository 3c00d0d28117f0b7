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
): Promise<{ deadline: Date; late: boolean; ageSeconds: number }> {
  // The update changes nothing: it makes the row that is there already come back, too.
  const { rows } = await sql<{ deadline: Date; late: number; age: string }>`
    INSERT INTO operation_steps SET operation_id = ${operation.id}, phase = ${operation.phase}, step = ${step}, attempt = ${operation.attempt},
      host = ${(operation.data.hostname as string | undefined) ?? null}, started_at = NOW(3), deadline = ${dbNowPlus(timeoutMs)}
    ON DUPLICATE KEY UPDATE attempt = VALUES(attempt)
    RETURNING deadline, deadline <= NOW(3) AS late, TIMESTAMPDIFF(MICROSECOND, started_at, NOW(3)) AS age`.execute(db);
  const [row] = rows;
  return { deadline: row!.deadline, late: Boolean(row!.late), ageSeconds: Number(row!.age) / 1e6 };
}

export async function traceEnd(
  db: Kysely<ComputeDb>, operation: Operation, step: string, result: 'Success' | 'Error', details?: string,
): Promise<void> {
  await db.updateTable('operation_steps')
    .set({ finished_at: dbNow, result, details: details ?? null, ...(operation.data.hostname ? { host: operation.data.hostname as string } : {}) })
    .where('operation_id', '=', operation.id).where('phase', '=', operation.phase).where('step', '=', step).where('attempt', '=', operation.attempt)
    .execute();
}
