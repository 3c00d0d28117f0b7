import type { Client } from '@virga/rpc';
import type { ConsoleHolder, ConsoleSession, Revocation, consoleContract } from '@virga/contracts';
import { systemClock, type Logger, type RequestContext } from '@virga/core';
import { RevocationList } from '@virga/rest';
import type { WebSocket } from 'ws';
import { CLOSE, CLOSE_OF_VERDICT } from '../relay/close-codes';

const WATCH_MS = 700;
const MOST_AT_ONCE = 1000;

export interface OpenConnection { session: ConsoleSession; attemptId: string; hostId: string; socket: WebSocket }

/** Everything that is open through this proxy; ends what must end, within a second. */
export class OpenConnections {
  private readonly connections = new Set<OpenConnection>();
  private readonly revoked = new RevocationList();
  private readonly stopping = new AbortController();
  private watching: Promise<void> = Promise.resolve();

  constructor(private readonly consoles: Pick<Client<typeof consoleContract>, 'watch'>, private readonly logger: Logger) {}

  get size(): number {
    return this.connections.size;
  }

  start(): void {
    this.watching = this.watch();
  }

  async stop(): Promise<void> {
    this.stopping.abort(new Error('stopping'));
    for (const { socket } of this.connections) socket.close(CLOSE.again, 'again');
    await this.watching;
  }

  add(connection: OpenConnection): void {
    this.connections.add(connection);
    connection.socket.on('close', () => this.connections.delete(connection));
  }

  isRevoked(holder: ConsoleHolder): boolean {
    return this.revoked.matches(contextOf(holder));
  }

  revoke(revocation: Revocation): void {
    this.revoked.add(revocation);
    for (const { session, socket } of this.connections) if (this.isRevoked(session.holder)) socket.close(CLOSE.revoked, 'revoked');
  }

  private async watch(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      await systemClock.sleep(WATCH_MS, this.stopping.signal).catch(() => undefined);
      await this.look().catch((error: unknown) => this.logger.warn({ err: error }, 'consoles not watched; looking again'));
    }
  }

  async look(): Promise<void> {
    const all = [...this.connections];
    for (let at = 0; at < all.length; at += MOST_AT_ONCE) {
      const part = all.slice(at, at + MOST_AT_ONCE);
      const { ended } = await this.consoles.watch({ connections: part.map(({ session, attemptId, hostId }) => ({ sessionId: session.sessionId, attemptId, hostId })) });
      for (const { sessionId, attemptId, verdict } of ended) {
        const [code, reason] = CLOSE_OF_VERDICT[verdict];
        for (const one of part) if (one.session.sessionId === sessionId && one.attemptId === attemptId) one.socket.close(code, reason);
      }
    }
  }
}

/** As much of a token's context as revocations look at. */
const contextOf = ({ userId, userDomainId, projectId, projectDomainId, auditIds, issuedAt }: ConsoleHolder): RequestContext => {
  const ref = (id: string, domain: string | null) => ({ id, name: '', domain: { id: domain ?? '', name: '' } });
  return {
    requestId: '', user: ref(userId, userDomainId), ...(projectId !== null && { project: ref(projectId, projectDomainId) }),
    ...(projectId === null && projectDomainId !== null && { domain: { id: projectDomainId, name: '' } }), system: false, roles: [], roleNames: new Set(), auditIds, issuedAt, expiresAt: 0, token: '',
  };
};
