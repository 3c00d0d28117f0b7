import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { badRequest, notFound } from '@virga/core';
import type { HostServer } from '../host-server/host-server';
import type { InstanceStore } from '../instances/instance-store';
import { diskFrames } from './disk-frames';
import { MOVED_DISKS } from './receive-disks';

/** A host that reads nothing for so long is gone, ms. */
const STALL_MS = 60_000;

/** Lets the one host that a guest is moving to read the guest's disks, which were put aside for it. */
export function serveDisks(server: HostServer, store: InstanceStore): void {
  server.route('GET', '/v1/disks/:instanceId/:name', ['host'], async ({ peer, params: { instanceId = '', name = '' }, query, response }) => {
    const note = await store.aside(instanceId);
    if (peer.role !== 'host' || note?.toHostId !== peer.hostId || !MOVED_DISKS.includes(name)) throw notFound('No such disk is here for this host.');
    const from = query.get('from') ?? '0';
    if (!/^\d{1,15}$/.test(from)) throw badRequest('The place is no number.');
    const path = join(store.asideDir(instanceId), name);
    await access(path).catch(() => { throw notFound('No such disk is here for this host.'); });
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    response.setTimeout(STALL_MS, () => response.destroy());
    await pipeline(Readable.from(diskFrames(path, Number(from)), { objectMode: false }), response);
  });
}
