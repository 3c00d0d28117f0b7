import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { badRequest, conflict, internalError, notFound } from '@virga/core';
import { connectToHost, type HostAddress, type TlsIdentity } from '@virga/mutual-tls';
import { CONFIG_DRIVE } from '../disks/config-drive';
import type { HostServer } from '../host-server/host-server';
import type { InstanceStore } from '../instances/instance-store';

const ANSWER_TIMEOUT_MS = 30_000;
/** User data and files of a server are far below it, bytes. */
const MOST = 64 * 1024 ** 2;

/**
 * Brings the guest's config drive as it is to the host that it goes to. Made anew it would say what has been changed since, in the
 * middle of a file system that the guest has mounted. A guest without one needs nothing.
 */
export async function sendConfigDrive(dir: string, instanceId: string, to: HostAddress, identity: () => TlsIdentity, signal: AbortSignal): Promise<void> {
  const path = join(dir, CONFIG_DRIVE);
  const size = await stat(path).then((found) => found.size, (error: NodeJS.ErrnoException) => { if (error.code === 'ENOENT') return undefined; throw error; });
  if (size === undefined) return;
  (await connectToHost(to, identity).request({
    method: 'PUT', path: `/v1/config-drives/${instanceId}`, headers: { 'content-length': size }, body: createReadStream(path), answerTimeoutMs: ANSWER_TIMEOUT_MS, signal,
  })).resume();
}

/** Takes the config drive of a guest that is on its way here, from the host that it comes from and from no other; whole, or not at all. */
export function receiveConfigDrives(server: Pick<HostServer, 'route'>, store: Pick<InstanceStore, 'spec' | 'desired' | 'dir' | 'origin'>): void {
  server.route('PUT', '/v1/config-drives/:instanceId', ['host'], async ({ peer, request, response, params }) => {
    const instanceId = params['instanceId']!;
    const spec = await store.spec(instanceId);
    if (!spec.configDrive || peer.role !== 'host' || (await store.origin(instanceId)) !== peer.hostId) throw notFound('No guest with a config drive comes here from that host.');
    if ((await store.desired(instanceId)) !== undefined) throw conflict('The guest has arrived.');
    const size = Number(request.headers['content-length']);
    if (!Number.isInteger(size) || size <= 0 || size > MOST) throw badRequest('A config drive has a size, and not such a one.');
    const path = join(store.dir(instanceId), CONFIG_DRIVE);
    const part = `${path}.part`;
    try {
      await pipeline(request, createWriteStream(part, { mode: 0o600 }));
      if ((await stat(part)).size !== size) throw internalError('The config drive came in part.');
      await rename(part, path);
    } finally {
      await rm(part, { force: true });
    }
    response.writeHead(204).end();
  });
}
