import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { BuildSpec } from '@virga/contracts';
import { silentLogger } from '@virga/core';
import { Authority, connectToHost, HostAnswerError, readTlsIdentity, type Peer, type TlsIdentity } from '@virga/mutual-tls';
import { HostServer } from '../host-server/host-server';
import { InstanceStore } from '../instances/instance-store';
import { receiveConfigDrives, sendConfigDrive } from './carry-config-drive';

const dir = mkdtempSync(join(tmpdir(), 'virga-carry-drive-'));
const store = new InstanceStore(join(dir, 'instances'));
const sourceDir = join(dir, 'at-source');
const signal = new AbortController().signal;
let server: HostServer;
let address: { hostId: string; agentUrl: string };
let source: TlsIdentity;
let other: TlsIdentity;

beforeAll(async () => {
  const authority = await Authority.open(join(dir, 'ca'));
  const identity = async (name: string, peer: Peer) => {
    await authority.equip(join(dir, name), { peer, addresses: ['127.0.0.1'], names: [] });
    return readTlsIdentity({ VIRGA_TLS_CA_FILE: join(dir, name, 'ca.pem'), VIRGA_TLS_CERT_FILE: join(dir, name, 'cert.pem'), VIRGA_TLS_KEY_FILE: join(dir, name, 'key.pem') });
  };
  const own = await identity('own', { role: 'host', hostId: 'h2' });
  source = await identity('source', { role: 'host', hostId: 'h1' });
  other = await identity('other', { role: 'host', hostId: 'h3' });
  await store.prepare();
  mkdirSync(sourceDir);
  server = new HostServer(() => own, silentLogger);
  receiveConfigDrives(server, store);
  address = { hostId: 'h2', agentUrl: `https://127.0.0.1:${await server.listen('127.0.0.1', 0)}` };
});
afterAll(async () => { await server.close(); rmSync(dir, { recursive: true }); });

/** A guest that comes from h1, with the drive that this host has made for it. */
const arriving = async (configDrive = true) => {
  const instanceId = randomUUID();
  await store.create({ instanceId, configDrive, comesFrom: 'h1' } as BuildSpec & { comesFrom: string });
  const path = join(store.dir(instanceId), 'disk.config');
  writeFileSync(path, 'made anew');
  return { instanceId, path };
};
const put = (instanceId: string, body: string, as = source, headers: Record<string, number | string> = { 'content-length': body.length }) =>
  connectToHost(address, () => as).request({ method: 'PUT', path: `/v1/config-drives/${encodeURIComponent(instanceId)}`, headers, body: Readable.from([Buffer.from(body)]) })
    .then(() => 204, (error: HostAnswerError) => error.status ?? 'cut off');

it('is the same at the destination, byte for byte', async () => {
  const { instanceId, path } = await arriving();
  const drive = Buffer.alloc(400_000, 'iso');
  writeFileSync(join(sourceDir, 'disk.config'), drive);
  await sendConfigDrive(sourceDir, instanceId, address, () => source, signal);
  expect(readFileSync(path).equals(drive)).toBe(true);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

it('of a guest that has none is nothing', async () => {
  const { instanceId, path } = await arriving();
  rmSync(join(sourceDir, 'disk.config'));
  await sendConfigDrive(sourceDir, instanceId, address, () => source, signal);
  expect(readFileSync(path, 'utf8')).toBe('made anew');
});

it.each<[string, number | 'cut off', (id: string) => Promise<number | 'cut off'>]>([
  ['another host than the one it comes from', 404, (id) => put(id, 'evil', other)],
  ['a guest that nobody expects', 404, () => put(randomUUID(), 'x')],
  ['what is no id', 404, () => put('../x', 'x')],
  ['a size that no config drive has', 400, (id) => put(id, 'x', source, { 'content-length': 65 * 1024 ** 2 })],
  ['no size', 400, (id) => put(id, 'x', source, { 'transfer-encoding': 'chunked' })],
])('refuses %s and leaves the drive alone', async (_name, status, act) => {
  const { instanceId, path } = await arriving();
  expect(await act(instanceId)).toBe(status);
  expect(readFileSync(path, 'utf8')).toBe('made anew');
  expect(readdirSync(store.dir(instanceId)).filter((name) => name.endsWith('.part'))).toEqual([]);
});

it('refuses one for a guest that has arrived, or has none', async () => {
  const { instanceId, path } = await arriving();
  await store.setDesired(instanceId, 'running');
  expect(await put(instanceId, 'late')).toBe(409);
  expect(readFileSync(path, 'utf8')).toBe('made anew');
  const without = await arriving(false);
  rmSync(without.path);
  expect(await put(without.instanceId, 'x')).toBe(404);
  expect(existsSync(without.path)).toBe(false);
});
