import { hostAgentContract, type ConsoleRoute, type ConsoleSession } from '@virga/contracts';
import { CloudError, type Logger } from '@virga/core';
import type { Kysely } from '@virga/db';
import type { Bus } from '@virga/rpc';
import type { ComputeDb } from '../db/schema';
import type { ConsoleInstance } from './open-session';

/** How long the proxy may take from here to the host. */
const GRANT_MS = 10_000;
/** Tasks at whose end the guest runs on another host. */
const MOVING: ReadonlySet<string> = new Set(['migrating', 'resize_migrating', 'rebuild_spawning']);

/** Asks the instance's host to let the proxy in, and says where that is. A host that has never heard of the instance is asked in vain while it moves. */
export async function findRoute({ db, bus, logger }: { db: Kysely<ComputeDb>; bus: Bus; logger: Logger }, session: ConsoleSession, { hostId, taskState, agentUrl }: ConsoleInstance, grantHash: string): Promise<ConsoleRoute> {
  if (hostId === null) return { state: 'off' };
  const moving = MOVING.has(taskState ?? '');
  try {
    const { state } = await bus.client(hostAgentContract, { hostId }).grantConsole({ instanceId: session.instanceId, protocol: session.protocol, grantHash, ttlMs: GRANT_MS });
    // At the end of a migration the source has stopped the guest before the destination is known to have it.
    if (state !== 'ready') return { state: state === 'off' && moving ? 'moving' : state };
    if (agentUrl === undefined) return { state: 'unreachable' };
    await db.updateTable('console_auth_tokens').set({ host_id: hostId }).where('id', '=', session.sessionId).execute();
    return { state: 'ready', hostId, agentUrl };
  } catch (error) {
    if (!(error instanceof CloudError) || !['notFound', 'unavailable', 'timeout'].includes(error.kind)) throw error;
    logger.debug({ hostId, instanceId: session.instanceId, reason: error.message }, 'no console there now');
    return { state: error.kind === 'notFound' ? (moving ? 'moving' : 'off') : 'unreachable' };
  }
}
