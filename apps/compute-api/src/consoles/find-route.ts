import { hostAgentContract, type ConsoleRoute, type ConsoleSession } from '@virga/contracts';
import { CloudError, systemClock, type Logger } from '@virga/core';
import { LIVE_MIGRATION_IN_PROGRESS } from '@virga/domain';
import type { Kysely } from '@virga/db';
import type { Bus } from '@virga/rpc';
import type { ComputeDb } from '../db/schema';
import type { ConsoleInstance } from './open-session';

/** How long the proxy may take from here to the host. */
const GRANT_MS = 10_000;
/** How long a person waits for a host before the page says that it does not answer; it tries again then. */
const HOST_ANSWER_MS = 4000;
/** How long the source of a migration is asked alone. */
const SOURCE_ALONE_MS = 150;
/** Tasks at whose end the guest runs on another host. */
const MOVING: ReadonlySet<string> = new Set(['migrating', 'resize_migrating', 'rebuild_spawning']);

interface Place { hostId: string; agentUrl: string | undefined }

/**
 * Asks the instance's host to let the proxy in, and says where that is. While the guest moves it may be on the destination
 * before the books say so.
 */
export async function findRoute(deps: RouteDeps, session: ConsoleSession, { hostId, taskState, agentUrl }: ConsoleInstance, grantHash: string): Promise<ConsoleRoute> {
  if (hostId === null) return { state: 'off' };
  const here = ask(deps, session, { hostId, agentUrl }, { grantHash });
  const next = MOVING.has(taskState ?? '') ? await destinationOf(deps.db, session.instanceId).catch(() => undefined) : undefined;
  const route = await (next ? firstReady(here, () => ask(deps, session, next, { grantHash, onlyRunning: true })) : here);
  if (route.state === 'ready') await deps.db.updateTable('console_auth_tokens').set({ host_id: route.hostId }).where('id', '=', session.sessionId).execute();
  // At the end of a migration the source has stopped the guest before the destination is known to have it.
  return route.state === 'off' && MOVING.has(taskState ?? '') ? { state: 'moving' } : route;
}

interface RouteDeps { db: Kysely<ComputeDb>; bus: Bus; logger: Logger }

/**
 * The source's answer if it has the guest, else the destination's; when neither has it, the source's. The source, which answers
 * nothing for a second while it takes down a guest that has left, is not waited for long.
 */
async function firstReady(here: Promise<ConsoleRoute>, askThere: () => Promise<ConsoleRoute>): Promise<ConsoleRoute> {
  const early = await Promise.race([here, systemClock.sleep(SOURCE_ALONE_MS).then(() => undefined)]);
  if (early?.state === 'ready') return early;
  const there = askThere();
  const ready = (route: Promise<ConsoleRoute>) => route.then((found) => (found.state === 'ready' ? found : Promise.reject(new Error('not there'))));
  return Promise.any([ready(here), ready(there)]).catch(() => here);
}

async function ask({ bus, logger }: RouteDeps, session: ConsoleSession, { hostId, agentUrl }: Place, more: { grantHash: string; onlyRunning?: true }): Promise<ConsoleRoute> {
  try {
    const { state } = await bus.client(hostAgentContract, { hostId }).grantConsole({ instanceId: session.instanceId, protocol: session.protocol, ttlMs: GRANT_MS, ...more }, { timeoutMs: HOST_ANSWER_MS });
    if (state !== 'ready') return { state };
    return agentUrl === undefined ? { state: 'unreachable' } : { state: 'ready', hostId, agentUrl };
  } catch (error) {
    if (!(error instanceof CloudError) || !['notFound', 'unavailable', 'timeout'].includes(error.kind)) throw error;
    logger.debug({ hostId, instanceId: session.instanceId, reason: error.message }, 'no console there now');
    // A host that has never heard of the instance has no guest of it.
    return { state: error.kind === 'notFound' ? 'off' : 'unreachable' };
  }
}

async function destinationOf(db: Kysely<ComputeDb>, instanceId: string): Promise<Place | undefined> {
  const row = await db.selectFrom('migrations as m').innerJoin('hosts as h', 'h.id', 'm.dest_host_id').select(['h.id', 'h.facts_json'])
    .where('m.instance_id', '=', instanceId).where('m.status', 'in', [...LIVE_MIGRATION_IN_PROGRESS]).orderBy('m.id', 'desc').executeTakeFirst();
  return row && { hostId: row.id, agentUrl: (JSON.parse(row.facts_json) as { agentUrl?: string }).agentUrl };
}
