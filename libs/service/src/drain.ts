import { Server as HttpServer } from 'node:http';
import { Server as NetServer } from 'node:net';
import { systemClock } from '@virga/core';

/** How long connections may stay without a request before they are closed, ms. */
export const QUIET_MS = 3000;
const LOOK_MS = 25;

export interface DrainOptions {
  /** Longest time that requests under way may take, ms. */
  limitMs: number;
  quietMs?: number;
}

/**
 * Ends a server's work without failing anybody: accepts no further connection, serves what comes on those that are open and
 * says `Connection: close` with each answer, closes those on which nothing has come for `quietMs`, and waits for requests
 * under way. Closing idle connections at once would break the request that a client is just sending on one.
 * Resolves with true when all ended by themselves, false when the time was over.
 */
export async function drain(server: HttpServer, { limitMs, quietMs = QUIET_MS }: DrainOptions): Promise<boolean> {
  if (!server.listening) return true;
  const deadline = Date.now() + limitMs;
  let lastRequest = Date.now();
  server.prependListener('request', (_request, response) => {
    lastRequest = Date.now();
    response.shouldKeepAlive = false;
  });
  // http's own close() would close idle connections with it.
  NetServer.prototype.close.call(server);
  while (await open(server)) {
    if (Date.now() > deadline) return false;
    if (Date.now() - lastRequest > quietMs) server.closeIdleConnections();
    await systemClock.sleep(LOOK_MS);
  }
  return true;
}

const open = (server: HttpServer): Promise<number> =>
  new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))));
