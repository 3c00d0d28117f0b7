import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { BuildSpec } from '@virga/contracts';
import { newUuid, silentLogger } from '@virga/core';
import { Authority, connectToHost, readTlsIdentity, type Peer, type TlsIdentity } from '@virga/mutual-tls';
import { HostServer } from '../host-server/host-server';
import { InstanceStore } from '../instances/instance-store';
import { diskFrames, FRAME_BYTES } from './disk-frames';
import { localDisks, receiveDisks, remoteDisks, type DisksToRead } from './receive-disks';
import { serveDisks } from './serve-disks';

const root = mkdtempSync(join(tmpdir(), 'virga-move-'));
const signal = new AbortController().signal;
const MIB = 1024 ** 2;
const id = newUuid();
const spec = (over: Partial<BuildSpec['flavor']> = {}): BuildSpec => ({
  instanceId: id, instanceName: 'instance-00000001', displayName: 'a', hostname: 'a', projectId: 'p', userId: 'u', configDrive: false, ports: [],
  flavor: { vcpus: 1, memoryMb: 64, rootGb: 1, ephemeralGb: 1, swapMb: 0, extraSpecs: {}, ...over },
  image: { id: newUuid(), name: 'i', status: 'active', diskFormat: 'raw', containerFormat: 'bare', sizeBytes: 4 * MIB, virtualSizeBytes: null, sha512: '', minDisk: 0, minRam: 0, properties: {} },
});

let server: HostServer;
let agentUrl: string;
let store: InstanceStore;
let identities: Record<'source' | 'target' | 'other' | 'proxy', TlsIdentity>;
/** The same image in the caches of both hosts. */
const bases = { source: join(root, 'source-base'), target: join(root, 'target-base') };
const MARK = randomBytes(3 * MIB);
let dir: string;
const qemuImg = (...args: string[]) => execFileSync('qemu-img', args, { encoding: 'utf8' });

beforeAll(async () => {
  const authority = await Authority.open(join(root, 'ca'));
  const identity = async (name: string, peer: Peer) => {
    await authority.equip(join(root, name), { peer, addresses: ['127.0.0.1'], names: [] });
    const file = (part: string) => join(root, name, part);
    return readTlsIdentity({ VIRGA_TLS_CA_FILE: file('ca.pem'), VIRGA_TLS_CERT_FILE: file('cert.pem'), VIRGA_TLS_KEY_FILE: file('key.pem') });
  };
  identities = {
    source: await identity('source', { role: 'host', hostId: 'h1' }), target: await identity('target', { role: 'host', hostId: 'h2' }),
    other: await identity('other', { role: 'host', hostId: 'h3' }), proxy: await identity('proxy', { role: 'console-proxy' }),
  };
  const image = randomBytes(4 * MIB);
  for (const path of Object.values(bases)) writeFileSync(path, image);
  store = new InstanceStore(join(root, 'instances'));
  await store.prepare();
  const own = await store.create(spec());
  qemuImg('create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', bases.source, join(own, 'disk'), String(64 * MIB));
  writeFileSync(join(root, 'mark'), MARK);
  execFileSync('qemu-io', ['-f', 'qcow2', '-c', `write -s ${join(root, 'mark')} 20M ${MARK.length}`, join(own, 'disk')]);
  const eph = Buffer.alloc(40 * MIB);
  MARK.copy(eph, 17 * MIB + 5);
  writeFileSync(join(own, 'disk.eph0'), eph);
  await store.putAside(id, { migrationId: 'm', toHostId: 'h2' });
  server = new HostServer(() => identities.source, silentLogger);
  serveDisks(server, store);
  agentUrl = `https://127.0.0.1:${await server.listen('127.0.0.1', 0)}`;
});
afterAll(async () => { await server.close(); rmSync(root, { recursive: true }); });
beforeEach(() => { dir = mkdtempSync(join(root, 'target-')); });

const from = (who: keyof typeof identities) => remoteDisks(connectToHost({ hostId: 'h1', agentUrl }, () => identities[who]), id);
const take = (source: DisksToRead, wanted = spec()) => receiveDisks({ dir, base: { path: bases.target, format: 'raw' }, spec: wanted, source, signal });
const kept = () => store.asideDir(id);

it('brings the disks to another host as they are, over the image that is there, and grown', async () => {
  await take(from('target'));
  const info = JSON.parse(qemuImg('info', '--output=json', join(dir, 'disk')));
  expect(info).toMatchObject({ 'virtual-size': 1024 ** 3, 'backing-filename': bases.target, 'backing-filename-format': 'raw' });
  qemuImg('resize', '-q', '-f', 'qcow2', join(kept(), 'disk'), '1G');
  expect(qemuImg('compare', '-f', 'qcow2', '-F', 'qcow2', join(dir, 'disk'), join(kept(), 'disk'))).toContain('identical');
  const eph = statSync(join(dir, 'disk.eph0'));
  expect(eph.size).toBe(1024 ** 3);
  expect(eph.blocks * 512).toBeLessThan(10 * MIB);
  expect(readFileSync(join(dir, 'disk.eph0')).subarray(0, 40 * MIB).equals(readFileSync(join(kept(), 'disk.eph0')))).toBe(true);
  expect(readdirSync(dir).sort()).toEqual(['disk', 'disk.eph0']);
});

it('copies them on one host, and leaves those that were put aside as they were', async () => {
  const before = readFileSync(join(kept(), 'disk'));
  await take(localDisks(kept()), spec({ rootGb: 2 }));
  expect(JSON.parse(qemuImg('info', '--output=json', join(dir, 'disk')))['virtual-size']).toBe(2 * 1024 ** 3);
  expect(readFileSync(join(kept(), 'disk')).equals(before)).toBe(true);
});

it('goes on where a connection has broken', async () => {
  const places: number[] = [];
  const breaking: DisksToRead = async (name, place, abort) => {
    if (name !== 'disk.eph0') return from('target')(name, place, abort);
    places.push(place);
    const stream = await from('target')(name, place, abort);
    if (places.length > 2) return stream;
    return Readable.from((async function* () {
      let bytes = 0;
      for await (const chunk of stream!) { yield chunk; if ((bytes += chunk.length) > 1.5 * FRAME_BYTES) throw new Error('the cable was pulled'); }
    })());
  };
  await take(breaking);
  expect(places[0]).toBe(0);
  expect(places[1]).toBeGreaterThan(17 * MIB);
  expect(places[2]).toBeGreaterThan(places[1]!);
  expect(readFileSync(join(dir, 'disk.eph0')).subarray(0, 40 * MIB).equals(readFileSync(join(kept(), 'disk.eph0')))).toBe(true);
});

it.each<[string, keyof typeof identities]>([['a host that it is not moving to', 'other'], ['the console proxy', 'proxy']])('gives nothing to %s', async (_name, who) => {
  await expect(take(from(who))).rejects.toMatchObject({ kind: 'conflict' });
  expect(readdirSync(dir)).toEqual([]);
});

it.each(['spec.json', 'aside.json', 'disk.config', '..%2f..%2fca%2fca.key', '%2e%2e%2fca.key'])('serves no other file: %s', async (name) => {
  expect(await from('target')(name, 0, signal)).toBeUndefined();
});

it('serves nothing of a guest that was not put aside', async () => {
  expect(await remoteDisks(connectToHost({ hostId: 'h1', agentUrl }, () => identities.target), newUuid())('disk', 0, signal)).toBeUndefined();
  expect(await remoteDisks(connectToHost({ hostId: 'h1', agentUrl }, () => identities.target), '..')('disk', 0, signal)).toBeUndefined();
});

async function* framesOf(file: string): AsyncGenerator<Buffer> { yield* diskFrames(file); }
const forged = (name: string, make: (path: string) => void): DisksToRead => {
  const path = join(root, name);
  make(path);
  return async (disk) => (disk === 'disk' ? framesOf(path) : undefined);
};

it.each<[string, () => DisksToRead, RegExp]>([
  ['is no qcow2 image', () => forged('raw', (path) => writeFileSync(path, 'x'.repeat(100_000))), /no qcow2 image/],
  ['keeps its data in a file of this host', () => forged('external', (path) => {
    qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${join(root, 'secret')}`, path, '1M');
  }), /keeps its data in another file/],
  ['is larger than the guest may have', () => forged('large', (path) => { qemuImg('create', '-q', '-f', 'qcow2', path, '2G'); }), /never made smaller/],
  ['reaches beyond all that the guest may have', () => async () => Readable.from([await frameAt(0), await frameAt(8 * 1024 ** 3)]), /no disk of this guest/],
  ['is damaged on its way', () => async (name) => (name === 'disk' ? damaged(join(kept(), 'disk')) : undefined), /damaged/],
])('takes no disk that %s', async (_name, source, message) => {
  await expect(take(source())).rejects.toThrow(message);
  expect(readdirSync(dir)).toEqual([]);
}, 60_000);

async function frameAt(at: number): Promise<Buffer> {
  const path = join(root, 'piece');
  if (!existsSync(path)) writeFileSync(path, randomBytes(FRAME_BYTES));
  const parts: Buffer[] = [];
  for await (const part of diskFrames(path)) { parts.push(part); if (parts.length === 2) break; }
  parts[0]!.writeBigUInt64BE(BigInt(at), 0);
  return Buffer.concat(parts);
}
async function* damaged(path: string): AsyncGenerator<Buffer> {
  for await (const part of diskFrames(path)) {
    const copy = Buffer.from(part);
    if (copy.length > 1000) copy[500]! ^= 1;
    yield copy;
  }
}

it('brings back what was put aside, whole', async () => {
  mkdirSync(join(root, 'again'));
  const again = new InstanceStore(join(root, 'again', 'instances'));
  await again.prepare();
  writeFileSync(join(await again.create(spec()), 'disk'), 'content');
  await again.putAside(id, { migrationId: 'm' });
  expect([await again.list(), await again.listAside(), await again.aside(id)]).toEqual([[], [id], { migrationId: 'm' }]);
  await again.bringBack(id);
  expect([await again.list(), await again.listAside()]).toEqual([[id], []]);
  expect(readdirSync(again.dir(id)).sort()).toEqual(['disk', 'spec.json']);
});
