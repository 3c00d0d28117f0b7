import { sql, type Kysely } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { dbNow, dbNowPlus } from '../db/time';
import type { Operation } from './operation';
import type { Step } from './workflow';

type Planned = Pick<Step, 'name' | 'timeoutMs'>;

/** When a step must have ended: a time, or where it stands. By the database's clock. */
export type Deadline = Date | ReturnType<typeof dbNowPlus>;

export interface StartedStep {
  deadline: Deadline;
  /** Whether the deadline has passed. */
  late: boolean;
  /** How long ago the step began. */
  ageSeconds: number;
}

/**
 * Records the start of a step once, however often it is run again, and puts those that are to follow it beside it: `advance` begins them in
 * the statement that ends the one before.
 */
export async function traceStart(db: Kysely<ComputeDb>, operation: Operation, step: Planned, following: readonly Planned[] = []): Promise<StartedStep> {
  const host = (operation.data.hostname as string | undefined) ?? null;
  const row = (name: string, startedAt: unknown, deadline: unknown) => sql`(${operation.id}, ${operation.phase}, ${name}, ${operation.attempt}, ${host}, ${startedAt}, ${deadline})`;
  const { rows } = await sql<{ step: string; deadline: Date; late: number; age: string }>`
    INSERT INTO operation_steps (operation_id, phase, step, attempt, host, started_at, deadline)
    VALUES ${sql.join([row(step.name, dbNow, dbNowPlus(step.timeoutMs)), ...following.map(({ name }) => row(name, null, null))])}
    ON DUPLICATE KEY UPDATE started_at = COALESCE(started_at, VALUES(started_at)), deadline = COALESCE(deadline, VALUES(deadline))
    RETURNING step, deadline, deadline <= NOW(3) AS late, TIMESTAMPDIFF(MICROSECOND, started_at, NOW(3)) AS age`.execute(db);
  const started = rows.find(({ step: name }) => name === step.name)!;
  return { deadline: started.deadline, late: Boolean(started.late), ageSeconds: Number(started.age) / 1e6 };
}

/** A step that `advance` has begun just now. */
export const begunStep = ({ id, phase, attempt }: Operation, step: string): StartedStep => ({
  deadline: sql<Date>`(SELECT t.deadline FROM operation_steps AS t WHERE t.operation_id = ${id} AND t.phase = ${phase} AND t.step = ${step} AND t.attempt = ${attempt})`,
  late: false,
  ageSeconds: 0,
});

export async function traceEnd(
  db: Kysely<ComputeDb>, operation: Operation, step: string, result: 'Success' | 'Error', details?: string,
): Promise<void> {
  await db.updateTable('operation_steps')
    .set({ finished_at: dbNow, result, details: details ?? null, ...(operation.data.hostname ? { host: operation.data.hostname as string } : {}) })
    .where('operation_id', '=', operation.id).where('phase', '=', operation.phase).where('step', '=', step).where('attempt', '=', operation.attempt)
    .execute();
}
