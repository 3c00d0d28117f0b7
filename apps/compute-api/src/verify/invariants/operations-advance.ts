import { sql } from '@virga/db';
import { dbNow } from '../../db/time';
import { LIVE_STATES } from '../../operations/operation';
import type { Invariant } from '../invariant';

/** Longer than any conductor takes to take over from another and than any step to notice its deadline, seconds. */
const PATIENCE = 60;

export const operationsAdvance: Invariant = {
  name: 'operations-advance',
  sentence: 'No operation is overdue without an owner, and none is still at a step whose deadline has passed.',
  cost: 'database',
  async find({ db }) {
    const { rows } = await sql<{ id: string; kind: string; instance_id: string; state: string; overdue: number; late: number | null; step: string | null }>`
      SELECT o.id, o.kind, o.instance_id, o.state, TIMESTAMPDIFF(SECOND, GREATEST(o.due_at, COALESCE(o.lease_until, o.due_at)), NOW(3)) AS overdue,
        s.step, TIMESTAMPDIFF(SECOND, s.deadline, NOW(3)) AS late
      FROM operations o LEFT JOIN operation_steps s ON s.operation_id = o.id AND s.started_at IS NOT NULL AND s.finished_at IS NULL AND s.phase = o.phase AND s.attempt = o.attempt
      WHERE o.state IN (${sql.join([...LIVE_STATES])})
      HAVING overdue > ${PATIENCE} OR late > ${PATIENCE}`.execute(db);
    return rows.map(({ id, kind, instance_id: instanceId, state, overdue, late, step }) => ({
      key: id,
      sentence: late !== null && late > PATIENCE
        ? `Operation ${id} (${kind} of instance ${instanceId}) is at the step ${step}, whose deadline passed ${late} s ago.`
        : `Operation ${id} (${kind} of instance ${instanceId}) is ${state} and has been overdue for ${overdue} s.`,
    }));
  },
  async repair({ key: id }, { db, wake }) {
    const { numUpdatedRows } = await db.updateTable('operations').set({ due_at: dbNow }).where('id', '=', id).where('state', 'in', ['pending', 'parked']).where('due_at', '>', dbNow).executeTakeFirst();
    wake(id);
    return numUpdatedRows > 0n ? 'the operation was made due' : undefined;
  },
};
