import { createHash, randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { CONSOLE_GRANT_HEADER, CONSOLE_UPGRADE, type ConsoleSession, type consoleContract } from '@virga/contracts';
import { CloudError, errorMessage, GatheredReads, type Logger } from '@virga/core';
import { connectToHost, HostAnswerError, type TlsIdentity } from '@virga/mutual-tls';
import type { Client } from '@virga/rpc';
import type { Handshake } from '../handshake';
import { CLOSE } from '../relay/close-codes';

export interface ConsoleDoor {
  consoles: Pick<Client<typeof consoleContract>, 'open'>;
  identity(): TlsIdentity;
  isRevoked(session: ConsoleSession): boolean;
  logger: Logger;
}

export type Opened =
  | { session: ConsoleSession; attemptId: string; hostId: string; host: Duplex; reads: GatheredReads }
  /** Why not, as a close code and its reason. */
  | { refused: number; reason: string };

const hash = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** From a handshake to a host's console. Of the secrets only hashes go over the bus; the grant goes to the host alone. */
export async function openConsole({ consoles, identity, isRevoked, logger }: ConsoleDoor, { token, pageKey, attemptId = randomBytes(12).toString('hex') }: Handshake): Promise<Opened> {
  if (token === undefined && pageKey === undefined) return { refused: CLOSE.invalid, reason: 'invalid' };
  const grant = randomBytes(32).toString('base64url');
  try {
    const { session, route } = await consoles.open({
      grantHash: hash(grant), attemptId, ...(token !== undefined && { tokenHash: hash(token) }), ...(pageKey !== undefined && { pageHash: hash(pageKey) }),
    });
    if (isRevoked(session)) return { refused: CLOSE.revoked, reason: 'revoked' };
    if (route.state !== 'ready') return { refused: CLOSE.wait, reason: route.state };
    const reads = new GatheredReads();
    const { socket } = await connectToHost(route, identity).upgrade({
      reads, method: 'GET', path: `/v1/consoles/${session.instanceId}/${session.protocol}`, protocol: CONSOLE_UPGRADE, headers: { [CONSOLE_GRANT_HEADER]: grant }, answerTimeoutMs: 5000,
    });
    return { session, attemptId, hostId: route.hostId, host: socket, reads };
  } catch (error) {
    if (error instanceof CloudError && error.kind === 'notFound') return error.type === 'ServerDeleted' ? { refused: CLOSE.deleted, reason: 'deleted' } : { refused: CLOSE.invalid, reason: 'invalid' };
    logger.warn({ reason: errorMessage(error) }, 'a console could not be reached');
    // The guest may just be going from one host to another: the next try asks anew.
    return { refused: CLOSE.wait, reason: error instanceof HostAnswerError ? 'moving' : 'unreachable' };
  }
}
