import { consoleContract } from '@virga/contracts';
import type { Logger } from '@virga/core';
import type { Kysely } from '@virga/db';
import type { Bus, Served } from '@virga/rpc';
import type { ComputeDb } from '../db/schema';
import { findRoute } from './find-route';
import { openSession } from './open-session';
import { watchConnections } from './watch-connections';

export interface ConsoleServerOptions {
  db: Kysely<ComputeDb>;
  bus: Bus;
  logger: Logger;
  sessionMinutes?: number;
}

/** The conductor's side towards the console proxies. */
export function serveConsoles({ db, bus, logger, sessionMinutes = 720 }: ConsoleServerOptions): Promise<Served> {
  return bus.serve(consoleContract, {
    async open(asked, { sender }) {
      const { session, instance } = await openSession(db, asked, sessionMinutes);
      const route = await findRoute({ db, bus, logger }, session, instance, asked.grantHash);
      logger.info({ sender, sessionId: session.sessionId, instanceId: session.instanceId, protocol: session.protocol, userId: session.holder.userId, state: route.state, again: asked.tokenHash === undefined }, 'console opened');
      return { session, route };
    },
    watch: async ({ connections }) => ({ ended: await watchConnections(db, connections) }),
  }, { concurrency: 64 });
}
