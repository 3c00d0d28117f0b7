import type { ConsoleHolder, ConsoleProtocol, ConsoleSession } from '@virga/contracts';
import { badRequest, notFound } from '@virga/core';
import { isDuplicateKey, sql, type Kysely } from '@virga/db';
import { dbNow, dbNowPlus } from '../db/time';
import type { ComputeDb } from '../db/schema';

export interface OpenRequest { tokenHash?: string | undefined; pageHash?: string | undefined; attemptId: string }

/** What is known of the instance behind a session. */
export interface ConsoleInstance { hostId: string | null; taskState: string | null; agentUrl: string | undefined }

/** How long a page that lost its connection may take to come back. */
const ABSENCE_MS = 180_000;

/** One word for all: whoever guesses learns nothing. */
const invalid = () => notFound('The console token is not valid, or no longer.');

/**
 * Turns a token into a session, or continues one. Which of two that use a token at once has won is decided by the
 * statement that uses it.
 */
export async function openSession(db: Kysely<ComputeDb>, { tokenHash, pageHash, attemptId }: OpenRequest, sessionMinutes: number): Promise<{ session: ConsoleSession; instance: ConsoleInstance }> {
  if (tokenHash !== undefined) await useToken(db, tokenHash, pageHash, attemptId, sessionMinutes);
  else if (pageHash !== undefined) await comeBack(db, pageHash, attemptId);
  else throw badRequest('A console is opened by a token or by a page that had one.');

  const row = await db.selectFrom('console_auth_tokens as t').innerJoin('instances as i', 'i.id', 't.instance_id').leftJoin('hosts as h', 'h.id', 'i.host_id')
    .select(['t.id', 't.protocol', 't.instance_id', 't.holder_json', 't.ends_at', 'i.display_name', 'i.host_id', 'i.task_state', 'h.facts_json'])
    .where(tokenHash !== undefined ? 't.token_hash' : 't.page_hash', '=', (tokenHash ?? pageHash)!)
    .where('i.deleted_at', 'is', null).where((where) => where.or([where('i.task_state', 'is', null), where('i.task_state', '!=', 'deleting')])).executeTakeFirst();
  // Whoever comes back has the session's secret, and may know what became of the server.
  if (!row) throw tokenHash === undefined ? notFound('The server was deleted.', { type: 'ServerDeleted' }) : invalid();
  return {
    session: {
      sessionId: row.id, protocol: row.protocol as ConsoleProtocol, instanceId: row.instance_id, instanceName: row.display_name,
      holder: JSON.parse(row.holder_json) as ConsoleHolder, endsAt: row.ends_at!.getTime(),
    },
    instance: { hostId: row.host_id, taskState: row.task_state, agentUrl: (JSON.parse(row.facts_json ?? '{}') as { agentUrl?: string }).agentUrl },
  };
}

async function useToken(db: Kysely<ComputeDb>, tokenHash: string, pageHash: string | undefined, attemptId: string, sessionMinutes: number): Promise<void> {
  const ends = dbNowPlus(sessionMinutes * 60_000);
  const { numUpdatedRows } = await db.updateTable('console_auth_tokens')
    .set({ page_hash: pageHash ?? null, attempt_id: attemptId, opened_at: dbNow, seen_at: dbNow, ends_at: ends, forget_at: ends })
    .where('token_hash', '=', tokenHash).where('opened_at', 'is', null).where('expires_at', '>', dbNow).executeTakeFirst()
    // Another session has this page's secret: pages make them at random, so somebody tries what they should not.
    .catch((error: unknown) => { throw isDuplicateKey(error) ? invalid() : error; });
  if (numUpdatedRows === 0n) throw invalid();
}

async function comeBack(db: Kysely<ComputeDb>, pageHash: string, attemptId: string): Promise<void> {
  const { numUpdatedRows } = await db.updateTable('console_auth_tokens').set({ attempt_id: attemptId, seen_at: dbNow })
    .where('page_hash', '=', pageHash).where('ends_at', '>', dbNow)
    .where('seen_at', '>', sql<Date>`NOW(3) - INTERVAL ${ABSENCE_MS / 1000} SECOND`).executeTakeFirst();
  if (numUpdatedRows === 0n) throw invalid();
}
