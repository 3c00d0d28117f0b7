import { link, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { badRequest, conflict, errorMessage, notFound, type Logger } from '@virga/core';
import { connectToHost, type HostAddress, type TlsIdentity } from '@virga/mutual-tls';
import type { HostServer } from '../host-server/host-server';
import { CONSOLE_LOG } from '../instances/guest-parts';
import type { InstanceStore } from '../instances/instance-store';
import { readConsoleLog, ROTATED } from './console-log';

const TRIES = 3;
const ANSWER_TIMEOUT_MS = 5000;

/**
 * Brings what a guest has printed here to the host that it has gone to. The guest is there already: a log that cannot be
 * brought is lost, and the migration is none the worse.
 */
export async function sendConsoleLog(log: string, instanceId: string, to: HostAddress, identity: () => TlsIdentity, maxBytes: number, logger: Logger): Promise<void> {
  const printed = await readConsoleLog(log, maxBytes);
  for (let tries = 1; ; tries++) {
    try {
      (await connectToHost(to, identity).request({
        method: 'PUT', path: `/v1/console-logs/${instanceId}`, headers: { 'content-length': printed.length }, body: Readable.from([printed]), answerTimeoutMs: ANSWER_TIMEOUT_MS,
      })).resume();
      return;
    } catch (error) {
      if (tries < TRIES) continue;
      logger.warn({ instanceId, hostId: to.hostId, reason: errorMessage(error) }, 'what a guest had printed did not come along');
      return;
    }
  }
}

/** Takes the logs of guests that come here, each once, from the host that it comes from and from no other, as what was printed before. */
export function receiveConsoleLogs(server: Pick<HostServer, 'route'>, store: Pick<InstanceStore, 'spec' | 'origin' | 'isLogExpected' | 'takeLogExpectation' | 'dir'>, maxBytes: number): void {
  server.route('PUT', '/v1/console-logs/:instanceId', ['host'], async ({ peer, request, response, params }) => {
    const instanceId = params['instanceId']!;
    await store.spec(instanceId);
    if (peer.role !== 'host' || (await store.origin(instanceId)) !== peer.hostId) throw notFound('No guest comes here from that host.');
    if (Number(request.headers['content-length']) > maxBytes) throw badRequest('The log is longer than this host keeps.');
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of request as AsyncIterable<Buffer>) {
      // Leaving the loop ends the connection: whoever sends more than it said gets no answer.
      if ((bytes += piece.length) > maxBytes) throw badRequest('The log is longer than was said.');
      pieces.push(piece);
    }
    const path = join(store.dir(instanceId), CONSOLE_LOG + ROTATED);
    if (!(await store.isLogExpected(instanceId))) throw conflict('No log is expected.');
    await writeFile(`${path}.part`, Buffer.concat(pieces), { mode: 0o600 });
    // Never in place of what is there: by now it may be the guest's own output of this host.
    await link(`${path}.part`, path).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'EEXIST') throw error; });
    await rm(`${path}.part`, { force: true });
    // Last, because viewers wait for it; a second one that came meanwhile has changed nothing.
    await store.takeLogExpectation(instanceId);
    response.writeHead(204).end();
  });
}
