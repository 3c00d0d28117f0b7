import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { conflict, GatheredReads, silentLogger } from '@virga/core';
import { Authority, connectToHost, HostAnswerError, readTlsIdentity, type Peer, type TlsIdentity } from '@virga/mutual-tls';
import { HostServer } from './host-server';

const dir = mkdtempSync(join(tmpdir(), 'virga-host-server-'));
let server: HostServer;
let agentUrl: string;
let identities: Record<'own' | 'peer' | 'proxy' | 'foreign' | 'nobody', TlsIdentity>;
let renewed: TlsIdentity | undefined;

async function identity(authority: Authority, name: string, peer: Peer): Promise<TlsIdentity> {
  await authority.equip(join(dir, name), { peer, addresses: ['127.0.0.1'], names: [] });
  const file = (part: string) => join(dir, name, part);
  return readTlsIdentity({ VIRGA_TLS_CA_FILE: file('ca.pem'), VIRGA_TLS_CERT_FILE: file('cert.pem'), VIRGA_TLS_KEY_FILE: file('key.pem') });
}

beforeAll(async () => {
  const authority = await Authority.open(join(dir, 'ca'));
  const foreign = await Authority.open(join(dir, 'foreign-ca'));
  identities = {
    own: await identity(authority, 'own', { role: 'host', hostId: 'h1' }),
    peer: await identity(authority, 'peer', { role: 'host', hostId: 'h2' }),
    proxy: await identity(authority, 'proxy', { role: 'console-proxy' }),
    // Signed by another authority for the same name; it trusts ours, so that only the server can refuse.
    foreign: { ...await identity(foreign, 'foreign', { role: 'host', hostId: 'h2' }), ca: Buffer.from(authority.certificate) },
    nobody: await identity(authority, 'nobody', { role: 'broker' }),
  };
  server = new HostServer(() => renewed ?? identities.own, silentLogger);
  server.route('PUT', '/v1/disks/:instanceId', ['host'], async ({ request: call, response, peer, params, query }) => {
    const got = await text(call);
    response.end(JSON.stringify({ got, peer, params, at: query.get('at') }));
  });
  server.route('GET', '/v1/fails', ['host'], () => Promise.reject(new Error('a secret path')));
  server.route('GET', '/v1/conflict', ['host'], () => Promise.reject(conflict('Somebody is at it.')));
  server.upgrade('virga-console', '/v1/consoles/:instanceId', ['console-proxy'], async ({ accept, params }) => {
    if (params['instanceId'] === 'missing') throw conflict('It has no console.');
    const socket = accept();
    socket.on('data', (chunk: Buffer) => socket.write(chunk.toString().toUpperCase()));
  });
  agentUrl = `https://127.0.0.1:${await server.listen('127.0.0.1', 0)}`;
});
afterAll(async () => { await server.close(); rmSync(dir, { recursive: true }); });

const as = (name: keyof typeof identities, hostId = 'h1') => connectToHost({ hostId, agentUrl }, () => identities[name]);
const answer = async (connection: ReturnType<typeof as>, path: string) => {
  try {
    return { status: 200, body: await text(await connection.request({ method: 'GET', path })) };
  } catch (error) {
    if (error instanceof HostAnswerError) return { status: error.status, body: error.body };
    throw error;
  }
};

it('serves a host that the CA knows, streaming what it sends', async () => {
  const response = await as('peer').request({ method: 'PUT', path: '/v1/disks/a%20b?at=7', body: Readable.from(['x'.repeat(100_000), 'y']) });
  const { got, ...rest } = JSON.parse(await text(response));
  expect(got).toHaveLength(100_001);
  expect(rest).toEqual({ peer: { role: 'host', hostId: 'h2' }, params: { instanceId: 'a b' }, at: '7' });
});

it('refuses a client without a certificate', async () => {
  const { own } = identities;
  await expect(new Promise((resolve, reject) => {
    request(agentUrl, { ca: own.ca, path: '/v1/conflict', agent: false, checkServerIdentity: () => undefined }, resolve).on('error', reject).end();
  })).rejects.toThrow(/certificate required|ECONNRESET|socket hang up/);
});

it("refuses a certificate of a foreign CA, whatever name it bears, and its own CA's with nobody's name", async () => {
  await expect(answer(as('foreign'), '/v1/conflict')).rejects.toThrow(/unknown ca|ECONNRESET|socket hang up/);
  expect(await answer(as('nobody'), '/v1/conflict')).toEqual({ status: 403, body: '{"error":"This is not for a broker."}' });
});

it('refuses a role that a route is not for, by request and by upgrade', async () => {
  expect((await answer(as('proxy'), '/v1/conflict')).status).toBe(403);
  await expect(as('peer').upgrade({ method: 'GET', path: '/v1/consoles/i1', protocol: 'virga-console' })).rejects.toMatchObject({ status: 403 });
});

it('hands an upgraded connection over, bytes both ways', async () => {
  const { socket } = await as('proxy').upgrade({ method: 'GET', path: '/v1/consoles/i1', protocol: 'virga-console' });
  const echoed = new Promise((resolve) => socket.once('data', (chunk: Buffer) => resolve(chunk.toString())));
  socket.write('hello');
  expect(await echoed).toBe('HELLO');
  socket.destroy();
});

it('reads an upgraded connection into memory of the reader, all of it and none of HTTP', async () => {
  const reads = new GatheredReads();
  const { socket } = await as('proxy').upgrade({ method: 'GET', path: '/v1/consoles/i1', protocol: 'virga-console', reads });
  const sent = Buffer.alloc(3_000_000, 'abcdefghij');
  const echoed = new Promise<string>((resolve) => {
    let heard = '';
    reads.take((piece, done) => {
      heard += piece.toString();
      // As a relay does when its other end is slow.
      socket.pause();
      setImmediate(() => { done(); socket.resume(); });
      if (heard.length >= sent.length) resolve(heard);
    });
  });
  socket.resume();
  socket.write(sent);
  expect(await echoed).toBe(sent.toString().toUpperCase());
  socket.destroy();
  await expect(as('proxy').upgrade({ method: 'GET', path: '/v1/consoles/missing', protocol: 'virga-console', reads: new GatheredReads() })).rejects.toMatchObject({ status: 409 });
});

it('answers an upgrade that it refuses with its reason, and an unknown protocol with 404', async () => {
  await expect(as('proxy').upgrade({ method: 'GET', path: '/v1/consoles/missing', protocol: 'virga-console' })).rejects.toMatchObject({ status: 409, body: '{"error":"It has no console."}' });
  await expect(as('proxy').upgrade({ method: 'GET', path: '/v1/consoles/i1', protocol: 'websocket' })).rejects.toMatchObject({ status: 404 });
});

it('answers errors by their kind and shows no internals', async () => {
  expect(await answer(as('peer'), '/v1/conflict')).toEqual({ status: 409, body: '{"error":"Somebody is at it."}' });
  expect(await answer(as('peer'), '/v1/fails')).toEqual({ status: 500, body: '{"error":"internal error"}' });
  expect((await answer(as('peer'), '/v1/nothing')).status).toBe(404);
  await expect(as('peer').request({ method: 'PUT', path: '/v1/disks/%zz', body: Readable.from(['x'.repeat(1 << 20)]) })).rejects.toMatchObject({ status: 400 });
});

it('is not taken for another host, although the CA vouches for it', async () => {
  await expect(answer(as('peer', 'h3'), '/v1/conflict')).rejects.toThrow('answers host:h1, not host:h3');
});

it('speaks no TLS below 1.3', async () => {
  const { peer } = identities;
  await expect(new Promise((resolve, reject) => {
    connect({ ...peer, host: '127.0.0.1', port: Number(new URL(agentUrl).port), maxVersion: 'TLSv1.2', checkServerIdentity: () => undefined }, () => resolve('connected')).on('error', reject);
  })).rejects.toThrow();
});
