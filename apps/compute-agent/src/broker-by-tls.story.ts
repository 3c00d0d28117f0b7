import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { Type } from '@sinclair/typebox';
import { newUuid, silentLogger } from '@virga/core';
import { Authority, readTlsIdentity, towardsBroker, type Peer, type TlsIdentity } from '@virga/mutual-tls';
import { call, defineContract, RabbitBus } from '@virga/rpc';
import { startRabbit, type TestRabbit } from '@virga/testing';

const dir = mkdtempSync(join(tmpdir(), 'virga-broker-tls-'));
let rabbit: TestRabbit;
let broker: TlsIdentity;
let host: TlsIdentity;
let stranger: TlsIdentity;
const fronts: Server[] = [];

beforeAll(async () => {
  rabbit = await startRabbit();
  const [ours, theirs] = await Promise.all(['ca', 'other-ca'].map((name) => Authority.open(join(dir, name))));
  const identity = async (authority: Authority, name: string, peer: Peer) => {
    await authority.equip(join(dir, name), { peer, addresses: ['127.0.0.1'], names: [] });
    return readTlsIdentity({ VIRGA_TLS_CA_FILE: join(dir, name, 'ca.pem'), VIRGA_TLS_CERT_FILE: join(dir, name, 'cert.pem'), VIRGA_TLS_KEY_FILE: join(dir, name, 'key.pem') });
  };
  broker = await identity(ours!, 'broker', { role: 'broker' });
  host = await identity(ours!, 'host', { role: 'host', hostId: 'h1' });
  stranger = await identity(theirs!, 'stranger', { role: 'broker' });
});
afterAll(() => { for (const front of fronts) front.close(); rmSync(dir, { recursive: true }); });

/** The broker as it is reached by TLS, by somebody who proves himself so; the URL. */
async function reachedAs(identity: TlsIdentity): Promise<string> {
  const front = createServer({ ...identity, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' }, (secure) => {
    const plain = connect(rabbit.port, '127.0.0.1');
    secure.pipe(plain).pipe(secure);
    for (const socket of [secure, plain]) socket.on('error', () => { secure.destroy(); plain.destroy(); });
  });
  fronts.push(front);
  await new Promise<void>((resolve) => { front.listen(0, '127.0.0.1', resolve); });
  return rabbit.url().replace('amqp:', 'amqps:').replace(`:${rabbit.port}/`, `:${(front.address() as AddressInfo).port}/`);
}
const connectAs = (url: string, identity: TlsIdentity) => RabbitBus.connect({ url, tls: () => towardsBroker(identity), logger: silentLogger, patienceMs: 0 });

it('carries calls both ways', async () => {
  const Text = Type.Object({ text: Type.String() });
  const contract = defineContract(`test-${newUuid()}`, { echo: call(Text, Text, 5000) });
  const bus = await connectAs(await reachedAs(broker), host);
  try {
    await bus.serve(contract, { echo: async ({ text }) => ({ text: text.toUpperCase() }) });
    expect(await bus.client(contract).echo({ text: 'hello' })).toEqual({ text: 'HELLO' });
  } finally {
    await bus.close();
  }
});

it.each([
  ['a host in place of the broker', () => host, () => host, /names host:h1/],
  ["a broker of another cloud's authority", () => stranger, () => host, /certificate/],
  ["a client of another cloud's authority", () => broker, () => ({ ...stranger, ca: host.ca }), /alert|ECONNRESET|closed|EPIPE/i],
])('is refused with %s', async (_what, front, client, reason) => {
  await expect(connectAs(await reachedAs(front()), client())).rejects.toThrow(reason);
});

it('is not begun when nothing says whom to trust', async () => {
  await expect(RabbitBus.connect({ url: 'amqps://a:b@127.0.0.1:1/', logger: silentLogger })).rejects.toThrow('whom to trust');
});
