import { errorMessage, newUuid, type ActorRef, type Logger } from '@virga/core';
import { sql, type Kysely } from '@virga/db';
import { beginColdMigration, beginConfirmation } from '../cold-moves/begin';
import type { ComputeDb } from '../db/schema';
import { dbNow, dbNowPlus } from '../db/time';
import { beginLiveMigration } from '../live-migration/begin';
import { LIVE_STATES } from '../operations/operation';
import type { InstanceRow, Neighbours } from '../operations/workflow';

export interface DrainContext {
  db: Kysely<ComputeDb>;
  neighbours: Pick<Neighbours, 'placement'>;
  logger: Logger;
  wakeRelay(): void;
  /** Guests of one host that are on their way at the same time. */
  atOnce?: number;
  /** After a move that has failed, ms. */
  pauseMs?: number;
}

const AT_ONCE = 2;
const TRIES = 3;
const PAUSE_MS = 5000;
/** States of those on which nothing more is to be done. */
const OVER: readonly string[] = ['away', 'stays', 'failed', 'back'];
/** How a guest in a state is moved: while it runs, or as it lies. */
const MOVES: Record<string, typeof beginLiveMigration | typeof beginColdMigration> = { active: beginLiveMigration, paused: beginLiveMigration, stopped: beginColdMigration };
const MOVABLE = Object.keys(MOVES);

type Direction = 'out' | 'in';
interface Entry { instance_id: string; state: string; tries: number; operation_id: string | null; due: number }

/** Brings every drain and every return one step further. Nothing is remembered between two passes but what the tables say. */
export async function drainPass(context: DrainContext): Promise<void> {
  const drains = await context.db.selectFrom('host_drains as d').innerJoin('hosts as h', 'h.id', 'd.host_id').select(['d.host_id', 'd.state', 'd.actor_json', 'h.hostname'])
    .where('d.state', '!=', 'restored').execute();
  for (const { host_id: hostId, state, actor_json: actor, hostname } of drains) {
    const direction: Direction = state === 'restoring' ? 'in' : 'out';
    await context.neighbours.placement.setHostEnabled({ hostId, enabled: direction === 'in' })
      .catch((error: unknown) => context.logger.warn({ hostId, reason: errorMessage(error) }, 'scheduler not told yet of a drained host'));
    if (direction === 'out') await noteInstances(context.db, hostId);
    const over = await moveSome(context, { hostId, hostname }, direction, JSON.parse(actor) as ActorRef);
    const next = direction === 'in' ? (over ? 'restored' : 'restoring') : over ? 'drained' : 'draining';
    // Somebody may have turned it round meanwhile.
    if (next !== state) await context.db.updateTable('host_drains').set({ state: next, updated_at: dbNow }).where('host_id', '=', hostId).where('state', '=', state).execute();
  }
}

/** Every instance of the host is dealt with, also one that has come back or was switched on since. */
async function noteInstances(db: Kysely<ComputeDb>, hostId: string): Promise<void> {
  await db.insertInto('drained_instances').ignore().columns(['host_id', 'instance_id', 'state', 'updated_at'])
    .expression((eb) => eb.selectFrom('instances').select((of) => ['host_id', 'id', of.val('waiting').as('state'), dbNow.as('updated_at')]).where('host_id', '=', hostId).where('deleted_at', 'is', null)).execute();
  await sql`UPDATE drained_instances AS d JOIN instances AS i ON i.id = d.instance_id SET d.state = 'waiting', d.tries = 0
    WHERE d.host_id = ${hostId} AND i.host_id = d.host_id AND (d.state = 'away' OR d.state = 'stays' AND i.vm_state IN (${sql.join(MOVABLE)}))`.execute(db);
}

/** True when there is nothing left to do for the host. */
async function moveSome(context: DrainContext, host: { hostId: string; hostname: string }, direction: Direction, actor: ActorRef): Promise<boolean> {
  const { db, atOnce = AT_ONCE } = context;
  const entries = await db.selectFrom('drained_instances').select(['instance_id', 'state', 'tries', 'operation_id', (eb) => eb(eb.ref('updated_at'), '<=', dbNowPlus(-(context.pauseMs ?? PAUSE_MS))).$castTo<number>().as('due')])
    .where('host_id', '=', host.hostId).where('state', 'not in', [...OVER]).orderBy('instance_id').execute();
  let left = 0;
  let moving = 0;
  for (const entry of entries) {
    const row = await db.selectFrom('instances').selectAll().where('id', '=', entry.instance_id).where('deleted_at', 'is', null).executeTakeFirst();
    // A move of a guest that is off ends with a question to its user, which is ours to answer when the move was ours.
    const unconfirmed = row?.vm_state === 'resized' && row.task_state === null ? await ownMove(db, entry) : undefined;
    const verdict = unconfirmed !== undefined ? 'move' : judge(row, entry, host.hostId, direction) ?? (await isAtWork(db, entry) ? 'busy' : 'move');
    if (verdict === 'gone') {
      await db.deleteFrom('drained_instances').where('host_id', '=', host.hostId).where('instance_id', '=', entry.instance_id).execute();
      continue;
    }
    if (typeof verdict === 'object') {
      await note(db, host.hostId, entry, verdict);
      continue;
    }
    left++;
    if (verdict === 'busy') { moving++; continue; }
    if (moving >= atOnce || (entry.tries > 0 && !entry.due)) continue;
    if (entry.tries >= TRIES) {
      left--;
      await note(db, host.hostId, entry, { state: 'failed', message: await lastWord(db, entry) });
      continue;
    }
    const by = { ...actor, requestId: `req-${newUuid()}` };
    const operationId = unconfirmed !== undefined ? await beginConfirmation(db, row!, unconfirmed, by) : await MOVES[row!.vm_state]!(db, {
      row: { ...row!, host_id: row!.host_id!, host: row!.host! }, actor: by, ...(direction === 'in' && { host: host.hostname }),
    });
    if (operationId === undefined) continue;
    moving++;
    context.wakeRelay();
    await db.updateTable('drained_instances').set({ state: 'moving', tries: entry.tries + (unconfirmed === undefined ? 1 : 0), operation_id: operationId, updated_at: dbNow })
      .where('host_id', '=', host.hostId).where('instance_id', '=', entry.instance_id).execute();
  }
  return left === 0;
}

type Verdict = { state: string; message: string | null } | 'gone' | 'busy';

/** What there is to say of an instance without looking further; undefined when it is to be moved and is at rest. */
function judge(row: InstanceRow | undefined, { state }: Entry, hostId: string, direction: Direction): Verdict | undefined {
  if (!row) return 'gone';
  if (row.task_state !== null) return 'busy';
  const here = row.host_id === hostId;
  if (direction === 'out' ? !here : here) return { state: direction === 'out' ? 'away' : 'back', message: null };
  if (!MOVABLE.includes(row.vm_state) || row.host_id === null) return { state: 'stays', message: `it is ${row.vm_state}${state === 'moving' ? ', since it was to be moved' : ''}` };
  return undefined;
}

/** The cold move, ended and not confirmed, that this drain has begun. */
const ownMove = async (db: Kysely<ComputeDb>, { operation_id: id }: Entry): Promise<number | undefined> =>
  (id === null ? undefined : (await db.selectFrom('migrations').select('id').where('operation_id', '=', id).where('status', '=', 'finished').executeTakeFirst())?.id);

/** An operation that ends leaves the state before its row: the next pass sees both. */
const isAtWork = async (db: Kysely<ComputeDb>, { operation_id: id }: Entry): Promise<boolean> =>
  id !== null && (await db.selectFrom('operations').select('id').where('id', '=', id).where('state', 'in', [...LIVE_STATES]).executeTakeFirst()) !== undefined;

const note = (db: Kysely<ComputeDb>, hostId: string, { instance_id: id }: Entry, verdict: { state: string; message: string | null }) =>
  db.updateTable('drained_instances').set({ ...verdict, updated_at: dbNow }).where('host_id', '=', hostId).where('instance_id', '=', id).execute();

/** Why the last move has failed. */
async function lastWord(db: Kysely<ComputeDb>, { instance_id: id }: Entry): Promise<string> {
  const fault = await db.selectFrom('instance_faults').select('message').where('instance_id', '=', id).orderBy('id', 'desc').limit(1).executeTakeFirst();
  return (fault?.message ?? 'it could not be moved').slice(0, 500);
}
