import type { Kysely } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { dbNow, dbNowPlus } from '../db/time';

/**
 * Has operations stop waiting for hosts whose lease has been over for `graceMs`. They are looked for without locks, so
 * that this search stands in nobody's way; a report that comes in between has ended the command, and counts.
 */
export async function expireCommandsOfDeadHosts(db: Kysely<ComputeDb>, graceMs: number): Promise<void> {
  const waiting = await db.selectFrom('operations as o').innerJoin('commands as c', 'c.id', 'o.waiting_command').innerJoin('hosts as h', 'h.id', 'c.host_id')
    .select(['o.id as operation', 'c.id as command']).where('o.state', '=', 'parked').where('c.state', '=', 'sent').where('c.deadline', '>', dbNow)
    .where('h.lease_until', '<', dbNowPlus(-graceMs)).where('c.created_at', '<', dbNowPlus(-graceMs)).execute();
  for (const { operation, command } of waiting) {
    // The command first, as those do who take a report.
    const { numUpdatedRows } = await db.updateTable('commands').set({ deadline: dbNow }).where('id', '=', command).where('state', '=', 'sent').executeTakeFirst();
    if (numUpdatedRows === 0n) continue;
    await db.updateTable('operations').set({ due_at: dbNow }).where('id', '=', operation).where('state', '=', 'parked').where('waiting_command', '=', command).execute();
  }
}
