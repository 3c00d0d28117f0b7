import { sql } from '@virga/db';
import type { Invariant } from '../invariant';

const PATIENCE = 15;

export const outboxIsSent: Invariant = {
  name: 'outbox-is-sent',
  sentence: `No message waits longer than ${PATIENCE} s to be sent.`,
  cost: 'database',
  async find({ db }) {
    const { rows: [row] } = await sql<{ waiting: number; oldest: number | null }>`
      SELECT COUNT(*) AS waiting, TIMESTAMPDIFF(SECOND, MIN(created_at), NOW(3)) AS oldest FROM outbox WHERE created_at < NOW(3) - INTERVAL ${PATIENCE} SECOND`.execute(db);
    if (!row || Number(row.waiting) === 0) return [];
    return [{ key: 'outbox', sentence: `${row.waiting} message(s) in the outbox have not been sent for up to ${row.oldest} s.` }];
  },
  async repair(_violation, { wakeRelay }) {
    wakeRelay();
    return 'the relay was woken';
  },
};
