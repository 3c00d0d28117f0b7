import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { BuildSpec } from '@virga/contracts';
import { silentLogger } from '@virga/core';
import { Authority, connectToHost, HostAnswerError, readTlsIdentity, type Peer, type TlsIdentity } from '@virga/mutual-tls';
import { HostServer } from '../host-server/host-server';
import { CONSOLE_LOG } from '../instances/guest-parts';
import { InstanceStore } from '../instances/instance-store';
import { receiveConsoleLogs, sendConsoleLog } from './carry-log';
import { boundConsoleLog, readConsoleLog } from './console-log';

const MOST = 1000;
const dir = mkdtempSync(join(tmpdir(), 'virga-carry-log-'));
const store = new InstanceStore(join(dir, 'instances'));
const sourceLog = join(dir, 'source.log');
let server: HostServer;
let address: { hostId: string; agentUrl: string };
let source: TlsIdentity;
let other: TlsIdentity;
let proxy: TlsIdentity;

beforeAll(async () => {
  const authority = await Authority.open(join(dir, 'ca'));
  const identity = async (name: string, peer: Peer) => {
    await authority.equip(join(dir, name), { peer, addresses: ['127.0.0.1'], names: [] });
    return readTlsIdentity({ VIRGA_TLS_CA_FILE: join(dir, name, 'ca.pem'), VIRGA_TLS_CERT_FILE: join(dir, name, 'cert.pem'), VIRGA_TLS_KEY_FILE: join(dir, name, 'key.pem') });
  };
  const own = await identity('own', { role: 'host', hostId: 'h2' });
  source = await identity('source', { role: 'host', hostId: 'h1' });
  other = await identity('other', { role: 'host', hostId: 'h3' });
  proxy = await identity('proxy', { role: 'console-proxy' });
  await store.prepare();
  server = new HostServer(() => own, silentLogger);
  receiveConsoleLogs(server, store, MOST);
  address = { hostId: 'h2', agentUrl: `https://127.0.0.1:${await server.listen('127.0.0.1', 0)}` };
});
afterAll(async () => { await server.close(); rmSync(dir, { recursive: true }); });

const arriving = async () => {
  const instanceId = randomUUID();
  await store.create({ instanceId, comesFrom: 'h1' } as BuildSpec & { comesFrom: string });
  await store.expectLog(instanceId);
  return { instanceId, log: join(store.dir(instanceId), CONSOLE_LOG) };
};
const send = (instanceId: string) => sendConsoleLog(sourceLog, instanceId, address, () => source, MOST, silentLogger);
const put = (instanceId: string, body: string, as = source, headers: Record<string, number> = { 'content-length': body.length }) => connectToHost(address, () => as).request({ method: 'PUT', path: `/v1/console-logs/${encodeURIComponent(instanceId)}`, headers, body: Readable.from([Buffer.from(body)]) }).then(() => 204, (error: HostAnswerError) => error.status ?? 'cut off');

it('what a guest has printed stands before what it prints on its new host', async () => {
  const { instanceId, log } = await arriving();
  // The hypervisor tells of the running guest before anybody else does.
  await store.setDesired(instanceId, 'running');
  writeFileSync(`${sourceLog}.1`, 'older\n');
  writeFileSync(sourceLog, 'old\n');
  writeFileSync(log, 'new\n');
  await send(instanceId);
  expect((await readConsoleLog(log, MOST)).toString()).toBe('older\nold\nnew\n');
  expect(statSync(`${log}.1`).mode & 0o777).toBe(0o600);
});

it('is brought once: what the guest has printed since is never overwritten', async () => {
  const { instanceId, log } = await arriving();
  writeFileSync(sourceLog, 'old\n');
  await send(instanceId);
  writeFileSync(log, `${'x'.repeat(MOST)}\nflood\n`);
  await boundConsoleLog(log, MOST);
  await send(instanceId);
  await store.expectLog(instanceId);
  await send(instanceId);
  expect((await readConsoleLog(log, MOST, 2)).toString()).toBe('flood\n');
  expect(readdirSync(store.dir(instanceId)).filter((name) => name.endsWith('.part'))).toEqual([]);
});

it('is as much as the host keeps, and no more is taken', async () => {
  const { instanceId, log } = await arriving();
  writeFileSync(sourceLog, 'y'.repeat(5 * MOST));
  await send(instanceId);
  expect(statSync(`${log}.1`).size).toBe(MOST);
  const other = await arriving();
  expect(await put(other.instanceId, 'z'.repeat(MOST + 1))).toBe(400);
  expect([400, 'cut off']).toContain(await put(other.instanceId, 'z'.repeat(1 << 20), source, {}));
  expect(existsSync(`${other.log}.1`)).toBe(false);
});

it.each([
  ['a guest that is not on its way here', () => randomUUID(), 404], ['a path', () => '../../etc', 404],
  ['a guest that was made here', async () => { const instanceId = randomUUID(); await store.create({ instanceId } as BuildSpec); return instanceId; }, 404],
  ['one whose log has come already', async () => { const { instanceId } = await arriving(); await send(instanceId); return instanceId; }, 409],
])('is not taken for %s', async (_what, make, status) => {
  const instanceId = await make();
  expect(await put(instanceId, 'forged')).toBe(status);
});

it.each([['a console proxy', () => proxy, 403], ['another host than the one the guest comes from', () => other, 404]])('is not taken from %s', async (_who, identity, status) => {
  const { instanceId, log } = await arriving();
  expect(await put(instanceId, 'forged', identity())).toBe(status);
  expect(existsSync(`${log}.1`)).toBe(false);
  // The true one is still awaited.
  expect(await put(instanceId, 'true')).toBe(204);
});

it('that cannot be brought does not hold the migration up', async () => {
  await expect(sendConsoleLog(sourceLog, randomUUID(), { hostId: 'h2', agentUrl: 'https://127.0.0.1:1' }, () => source, MOST, silentLogger)).resolves.toBeUndefined();
  expect(readFileSync(sourceLog).length).toBeGreaterThan(0);
});
