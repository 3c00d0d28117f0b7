import type { ConsoleVerdict } from '@virga/contracts';
import { LIVE_MIGRATION_IN_PROGRESS } from '@virga/domain';
import { sql, type Kysely } from '@virga/db';
import type { ComputeDb } from '../db/schema';

export interface WatchedConnection { sessionId: string; attemptId: string; hostId: string }
export interface EndedConnection { sessionId: string; attemptId: string; verdict: ConsoleVerdict }

interface Seen {
  id: string;
  attempt_id: string | null;
  is_over: number;
  is_gone: number;
  task_state: string | null;
  vm_state: string | null;
  host_id: string | null;
  host_alive: number | null;
  /** Of a live migration that is under way. */
  dest_host_id: string | null;
}

/** The first that holds; each is about what the database says now, so that nothing that others do needs to be announced. */
const VERDICTS: [ConsoleVerdict, (seen: Seen, connection: WatchedConnection) => boolean][] = [
  ['deleted', ({ is_gone: gone, task_state: task }) => gone === 1 || task === 'deleting'],
  ['ended', ({ is_over: over }) => over === 1],
  ['replaced', ({ attempt_id: attempt }, { attemptId }) => attempt !== attemptId],
  ['off', ({ vm_state: state, task_state: task, host_id: host }) => host === null || (task === null && (state === 'stopped' || state === 'suspended'))],
  ['moved', ({ host_id: host, dest_host_id: next }, { hostId }) => host !== hostId && next !== hostId],
  ['unreachable', ({ host_alive: alive }) => alive !== 1],
];

/** How often a session that is open says so in the database, seconds. */
const RENEW_SECONDS = 20;

/** Which of a proxy's connections must end. The sessions of the others are marked as open. */
export async function watchConnections(db: Kysely<ComputeDb>, connections: readonly WatchedConnection[]): Promise<EndedConnection[]> {
  if (connections.length === 0) return [];
  const ids = [...new Set(connections.map(({ sessionId }) => sessionId))];
  const { rows } = await sql<Seen>`
    SELECT t.id, t.attempt_id, t.ends_at <= NOW(3) AS is_over, i.id IS NULL OR i.deleted_at IS NOT NULL AS is_gone, i.task_state, i.vm_state, i.host_id, h.lease_until > NOW(3) AS host_alive,
      IF(i.task_state = 'migrating', (SELECT m.dest_host_id FROM migrations m WHERE m.instance_id = i.id AND m.status IN (${sql.join([...LIVE_MIGRATION_IN_PROGRESS])}) ORDER BY m.id DESC LIMIT 1), NULL) AS dest_host_id
    FROM console_auth_tokens t LEFT JOIN instances i ON i.id = t.instance_id LEFT JOIN hosts h ON h.id = i.host_id
    WHERE t.id IN (${sql.join(ids)})`.execute(db);
  const seen = new Map(rows.map((row) => [row.id, row]));
  const ended: EndedConnection[] = [];
  for (const connection of connections) {
    const row = seen.get(connection.sessionId);
    const verdict = row ? VERDICTS.find(([, holds]) => holds(row, connection))?.[0] : 'ended';
    if (verdict) ended.push({ sessionId: connection.sessionId, attemptId: connection.attemptId, verdict });
  }
  const over = new Set(ended.map(({ sessionId }) => sessionId));
  const open = ids.filter((id) => !over.has(id));
  if (open.length > 0) {
    await sql`UPDATE console_auth_tokens SET seen_at = NOW(3) WHERE id IN (${sql.join(open)}) AND seen_at < NOW(3) - INTERVAL ${RENEW_SECONDS} SECOND`.execute(db);
  }
  return ended;
}
