import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CONSOLE_GRANT_HEADER, CONSOLE_UPGRADE, SERIAL_FRAME, SerialFrameReader, type BuildSpec, type ConsoleProtocol } from '@virga/contracts';
import { silentLogger } from '@virga/core';
import { Authority, connectToHost, HostAnswerError, readTlsIdentity, type Peer, type TlsIdentity } from '@virga/mutual-tls';
import { HostServer } from '../host-server/host-server';
import { CONSOLE_LOG, CONSOLE_SOCKETS } from '../instances/guest-parts';
import { InstanceStore } from '../instances/instance-store';
import { LocalConsoles } from './console-desk';

/** Consoles of a host as a proxy meets them: real TLS, real sockets, and guests that are no more than those. */
const dir = mkdtempSync(join(tmpdir(), 'vdesk-'));
const store = new InstanceStore(join(dir, 'i'));
const power = new Map<string, number>();
const desk = new LocalConsoles({ driver: { powerState: async (id: string) => power.get(id) ?? 0 } as never, store, spice: true }, silentLogger);
const guests: Server[] = [];
let server: HostServer;
let agentUrl: string;
let identities: Record<'own' | 'proxy' | 'host', TlsIdentity>;

beforeAll(async () => {
  const authority = await Authority.open(join(dir, 'ca'));
  const identity = async (name: string, peer: Peer) => {
    await authority.equip(join(dir, name), { peer, addresses: ['127.0.0.1'], names: [] });
    return readTlsIdentity({ VIRGA_TLS_CA_FILE: join(dir, name, 'ca.pem'), VIRGA_TLS_CERT_FILE: join(dir, name, 'cert.pem'), VIRGA_TLS_KEY_FILE: join(dir, name, 'key.pem') });
  };
  identities = { own: await identity('own', { role: 'host', hostId: 'h1' }), proxy: await identity('proxy', { role: 'console-proxy' }), host: await identity('host', { role: 'host', hostId: 'h2' }) };
  await store.prepare();
  server = new HostServer(() => identities.own, silentLogger);
  desk.serveOn(server);
  agentUrl = `https://127.0.0.1:${await server.listen('127.0.0.1', 0)}`;
});
afterAll(async () => { await server.close(); for (const guest of guests) guest.close(); rmSync(dir, { recursive: true }); });

/** A guest that greets on its sockets; `lines` are those that have come to look at it. */
async function boot(protocols: ConsoleProtocol[] = ['vnc', 'spice', 'serial']) {
  const instanceId = randomUUID();
  await store.create({ instanceId } as BuildSpec);
  power.set(instanceId, 1);
  writeFileSync(join(store.dir(instanceId), CONSOLE_LOG), 'booted\n');
  const lines: Socket[] = [];
  for (const protocol of protocols) {
    const guest = createServer((socket) => { lines.push(socket.on('error', () => undefined)); if (protocol !== 'serial') socket.write(`hello by ${protocol}`); });
    guests.push(guest);
    await new Promise<void>((resolve) => guest.listen(join(store.dir(instanceId), CONSOLE_SOCKETS[protocol]), resolve));
  }
  return { instanceId, lines };
}

const grant = async (instanceId: string, protocol: ConsoleProtocol) => {
  const secret = randomUUID();
  expect(await desk.grant(instanceId, protocol, createHash('sha256').update(secret).digest('hex'), 5000)).toBe('ready');
  return secret;
};
const connect = async (instanceId: string, protocol: string, secret: string | undefined, as: keyof typeof identities = 'proxy'): Promise<Duplex | number> => {
  try {
    const { socket } = await connectToHost({ hostId: 'h1', agentUrl }, () => identities[as])
      .upgrade({ method: 'GET', path: `/v1/consoles/${instanceId}/${protocol}`, protocol: CONSOLE_UPGRADE, ...(secret !== undefined && { headers: { [CONSOLE_GRANT_HEADER]: secret } }) });
    return socket.on('error', () => undefined);
  } catch (error) {
    if (error instanceof HostAnswerError) return error.status;
    throw error;
  }
};
/** Bytes of buffers that somebody still holds. */
const held = async (): Promise<number> => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // Buffers are given back a moment after they were found to be garbage.
  for (let times = 0; times < 3; times++) { collect(); await new Promise((resolve) => setTimeout(resolve, 50)); }
  return process.memoryUsage().arrayBuffers;
};
const opened = async (...args: Parameters<typeof connect>) => (await connect(...args)) as Duplex;

it.each(['vnc', 'spice'] as const)('%s is relayed both ways, byte for byte', async (protocol) => {
  const { instanceId, lines } = await boot([protocol]);
  const screen = await opened(instanceId, protocol, await grant(instanceId, protocol));
  expect(String((await once(screen, 'data'))[0])).toBe(`hello by ${protocol}`);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
  screen.write(bytes);
  expect((await once(lines[0]!, 'data'))[0]).toEqual(bytes);
  screen.destroy();
  await once(lines[0]!, 'close');
});

it('the serial line comes with what was printed before', async () => {
  const { instanceId } = await boot();
  const line = await opened(instanceId, 'serial', await grant(instanceId, 'serial'));
  const reader = new SerialFrameReader();
  let shown = '';
  let role = '';
  for await (const bytes of line as AsyncIterable<Buffer>) {
    for (const { kind, payload } of reader.take(bytes)) if (kind === SERIAL_FRAME.data) shown += payload.toString(); else role = JSON.parse(payload.toString()).role;
    if (shown !== '' && role !== '') break;
  }
  expect([shown, role]).toEqual(['booted\n', 'writer']);
});

it('the serial line of a guest that has just come waits for what it printed elsewhere', async () => {
  const { instanceId } = await boot();
  await store.expectLog(instanceId);
  const joining = opened(instanceId, 'serial', await grant(instanceId, 'serial'));
  writeFileSync(join(store.dir(instanceId), `${CONSOLE_LOG}.1`), 'elsewhere\n');
  await store.takeLogExpectation(instanceId);
  const reader = new SerialFrameReader();
  let shown = '';
  for await (const bytes of (await joining) as AsyncIterable<Buffer>) {
    for (const { kind, payload } of reader.take(bytes)) if (kind === SERIAL_FRAME.data) shown += payload.toString();
    if (shown !== '') break;
  }
  expect(shown).toBe('elsewhere\nbooted\n');
});

it('nobody comes in without a grant, with a used one, or with one for something else', async () => {
  const [one, other] = [await boot(), await boot()];
  expect(await connect(one.instanceId, 'vnc', undefined)).toBe(403);
  expect(await connect(one.instanceId, 'vnc', randomUUID())).toBe(403);
  expect(await connect(other.instanceId, 'vnc', await grant(one.instanceId, 'vnc'))).toBe(403);
  expect(await connect(one.instanceId, 'serial', await grant(one.instanceId, 'vnc'))).toBe(403);
  const secret = await grant(one.instanceId, 'vnc');
  (await opened(one.instanceId, 'vnc', secret)).destroy();
  expect(await connect(one.instanceId, 'vnc', secret)).toBe(403);
  expect(await connect(one.instanceId, 'vnc', await grant(one.instanceId, 'vnc'), 'host')).toBe(403);
  expect(await connect(one.instanceId, 'rdp', randomUUID())).toBe(404);
  expect(await connect('..%2f..', 'vnc', randomUUID())).toBe(403);
});

it('says what a guest has: what it was started with, and what it would have', async () => {
  const { instanceId } = await boot(['vnc', 'serial']);
  expect(await desk.describe(instanceId)).toEqual({ protocols: ['vnc', 'serial'], running: true });
  expect(await desk.grant(instanceId, 'spice', 'f'.repeat(64), 1000)).toBe('absent');
  power.set(instanceId, 3);
  expect(await desk.grant(instanceId, 'vnc', 'f'.repeat(64), 1000)).toBe('ready');
  expect(await desk.grant(instanceId, 'vnc', 'f'.repeat(64), 1000, true)).toBe('off');
  power.set(instanceId, 4);
  expect(await desk.describe(instanceId)).toEqual({ protocols: ['vnc', 'spice', 'serial'], running: false });
  expect(await desk.grant(instanceId, 'vnc', 'f'.repeat(64), 1000)).toBe('off');
  await expect(desk.describe(randomUUID())).rejects.toMatchObject({ kind: 'notFound' });
});

it.each(['vnc', 'serial'] as const)('a guest that goes off between grant and connection is not there: %s', async (protocol) => {
  const { instanceId } = await boot([]);
  expect(await connect(instanceId, protocol, await grant(instanceId, protocol))).toBe(409);
});

it.each(['vnc', 'serial'] as const)('a guest that dies ends its viewers: %s', async (protocol) => {
  const { instanceId, lines } = await boot();
  const viewer = await opened(instanceId, protocol, await grant(instanceId, protocol));
  while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  for (const line of lines) line.destroy();
  viewer.resume();
  await once(viewer, 'close');
});

it.each(['vnc', 'serial'] as const)('a guest that floods costs no more than is on its way to a viewer that stalls: %s', async (protocol) => {
  const { instanceId, lines } = await boot();
  const viewer = await opened(instanceId, protocol, await grant(instanceId, protocol));
  viewer.pause();
  while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  const before = await held();
  let written = 0;
  for (let piece = 0; piece < 512; piece++) {
    if (!lines[0]!.write(Buffer.alloc(65_536, 'x'))) {
      const drain = once(lines[0]!, 'drain').then(() => true);
      const drained = await (protocol === 'serial' ? drain : Promise.race([drain, new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 500))]));
      if (!drained) break;
    }
    written += 65_536;
  }
  // A screen's server waits; a serial line runs on, and what cannot be shown is left out.
  if (protocol === 'vnc') expect(written).toBeLessThan(24 << 20);
  else expect(written).toBe(32 << 20);
  expect((await held()) - before).toBeLessThan(16 << 20);
  viewer.destroy();
});
