import { once } from 'node:events';
import { request, type IncomingHttpHeaders } from 'node:http';
import { connect, createConnection } from 'node:net';
import { Duplex } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { WebSocket } from 'ws';
import { SERIAL_FRAME, serialControl, serialFrame, type ConsoleProtocol, type ConsoleSession } from '@virga/contracts';
import { GatheredReads, silentLogger } from '@virga/core';
import type { Handshake } from './handshake';
import { PublicServer, type PublicServerOptions } from './public-server';
import { CLOSE } from './relay/close-codes';
import { OpenConnections } from './sessions/open-connections';
import type { Opened } from './sessions/open-console';

/** A host's end of a console: what the proxy writes is in `got`. */
class Host extends Duplex {
  readonly got: Buffer[] = [];
  pushed = 0;
  flood = false;
  override _read(): void { if (this.flood) { this.pushed += 65_536; this.push(Buffer.alloc(65_536, 1)); } }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void { this.got.push(chunk); done(); }
}

const TOKEN = 'be94ce21-8fd8-41b5-846d-af550d200a1e';
const holder = { userId: 'u', userDomainId: 'd', projectId: 'p', projectDomainId: 'd', auditIds: ['audit'], issuedAt: 1000 };
const session = (protocol: ConsoleProtocol): ConsoleSession => ({ sessionId: 's', protocol, instanceId: 'i', instanceName: 'n', holder, endsAt: 0 });
let host: Host;
let protocol: ConsoleProtocol = 'vnc';
let answer: ((handshake: Handshake) => Opened) | undefined;
let ended: { sessionId: string; attemptId: string; verdict: 'deleted' | 'moved' }[] = [];
const connections = new OpenConnections({ watch: async () => ({ ended }) } as never, silentLogger);
const options: PublicServerOptions = {
  pages: { '/vnc_auto.html': { type: 'text/html', body: '<html>noVNC</html>' }, '/assets/vnc.js': { type: 'text/javascript', body: 'let screen;'.repeat(1000), version: 'v1' } }, allowedOrigins: new Set(['https://dashboard.test']), frameAncestors: '', maxPerAddress: 20, idleMs: 60_000,
  open: async (handshake) => answer?.(handshake) ?? (handshake.token === TOKEN ? { session: session(protocol), attemptId: 'a', hostId: 'h', host, reads: GatheredReads.of(host) } : { refused: CLOSE.invalid, reason: 'invalid' }),
  opened: (connection) => connections.add(connection),
};
const server = new PublicServer(options);
const hasty = new PublicServer({ ...options, idleMs: 150, patienceMs: { request: 250, ping: 50 } });
let port = 0;
let hastyPort = 0;
beforeAll(async () => { port = await server.listen('127.0.0.1:0'); hastyPort = await hasty.listen('127.0.0.1:0'); });
beforeEach(() => { host = new Host(); protocol = 'vnc'; answer = undefined; ended = []; });
afterAll(() => Promise.all([server.close(), hasty.close()]));

const send = (method: string, path: string, accepted?: string) =>
  new Promise<{ status: number | undefined; body: string; bytes: Buffer; headers: IncomingHttpHeaders }>((resolve, reject) => {
    request({ host: '127.0.0.1', port, method, path, agent: false, ...(accepted !== undefined && { headers: { 'accept-encoding': accepted } }) }, async (response) => {
      const bytes = await buffer(response);
      resolve({ status: response.statusCode, body: bytes.toString(), bytes, headers: response.headers });
    }).on('error', reject).end();
  });
const raw = async (bytes: string) => {
  const socket = createConnection({ host: '127.0.0.1', port });
  socket.write(bytes);
  return text(socket);
};
const page = (more: string[] = [`virga.token.${TOKEN}`], origin?: string) =>
  new WebSocket(`ws://127.0.0.1:${port}/websockify`, ['virga.v1', 'virga.page.0123456789', ...more], origin === undefined ? {} : { origin });
const closing = async (socket: WebSocket) => { const [code] = (await once(socket, 'close')) as [number]; return code; };
const upgrade = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: binary\r\n${headers}\r\n`;

describe('pages', () => {
  it('are served so that a token in the address goes nowhere', async () => {
    const { status, body, headers } = await send('GET', `/vnc_auto.html?path=%3Ftoken%3D${TOKEN}`);
    expect([status, body]).toEqual([200, '<html>noVNC</html>']);
    expect(headers).toMatchObject({ 'referrer-policy': 'no-referrer', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';.*frame-ancestors 'self'$/);
  });

  it.each(['/', '//evil.test/%2e%2e', '//evil.test', '/../../etc/passwd', '/%2e%2e/etc/passwd', '/assets/../main.js', '/__proto__', '/constructor'])('%s is 404 and redirects nobody', async (path) => {
    const { status, headers } = await send('GET', path);
    expect(status).toBe(404);
    expect(headers.location).toBeUndefined();
  });

  it.each([['gzip, deflate, br', true], ['br;q=1, gzip;q=0.5', true], ['gzip;q=0', false], ['gzip;q=0.0, br', false], ['br', false], [undefined, false]])('are packed for who accepts it: %s', async (accepted, packed) => {
    const { bytes, headers } = await send('GET', '/assets/vnc.js', accepted);
    expect([headers['content-encoding'], headers.vary, (packed ? gunzipSync(bytes) : bytes).toString()]).toEqual([packed ? 'gzip' : undefined, 'accept-encoding', 'let screen;'.repeat(1000)]);
    if (packed) expect(bytes.length).toBeLessThan(200);
  });

  it.each([['/assets/vnc.js?v=v1', true], ['/assets/vnc.js', false], ['/assets/vnc.js?v=v0', false], ['/vnc_auto.html', false], ['/assets/none.js?v=v1', false]])('%s may be kept: %s', async (path, kept) => {
    expect((await send('GET', path)).headers['cache-control']).toBe(kept ? 'private, max-age=31536000, immutable' : 'no-store');
  });

  it('are only read', async () => { expect((await send('POST', '/vnc_auto.html')).status).toBe(405); });
  it('what is no HTTP is refused and the connection ends', async () => { expect(await raw('RFB 003.008\n\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /); });
});

describe('consoles', () => {
  it('relay bytes both ways', async () => {
    const socket = page();
    await once(socket, 'open');
    expect(socket.protocol).toBe('virga.v1');
    socket.send(Buffer.from('to guest'));
    host.push('RFB 003.008\n');
    expect(String((await once(socket, 'message'))[0])).toBe('RFB 003.008\n');
    while (host.got.length === 0) await new Promise(setImmediate);
    expect(Buffer.concat(host.got).toString()).toBe('to guest');
    socket.close();
    await once(host, 'close');
  });

  it('lose nothing of what a guest says last, in whatever pieces it comes', async () => {
    const socket = page();
    const seen: Buffer[] = [];
    socket.on('message', (data: Buffer) => seen.push(data));
    await once(socket, 'open');
    for (let piece = 0; piece < 100; piece++) host.push(Buffer.alloc(1000, piece));
    host.push('the last word');
    host.push(null);
    host.end();
    expect(await closing(socket)).toBe(CLOSE.again);
    const all = Buffer.concat(seen);
    expect(all.length).toBe(100_013);
    expect(all.subarray(-13).toString()).toBe('the last word');
    expect(all[99_999]).toBe(99);
  });

  it('open for a client that puts its token into the query, and refuse it without a byte that it could take for a frame', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/?token=${TOKEN}`, 'binary');
    await once(socket, 'open');
    socket.terminate();
    expect((await raw(upgrade(`/?token=bad${TOKEN}`))).split('\r\n\r\n')).toEqual([expect.stringMatching(/^HTTP\/1\.1 403 /), '']);
  });

  it.each([['invalid', CLOSE.invalid], ['off', CLOSE.wait]])('tell a page in a code that it is %s', async (reason, code) => {
    answer = () => ({ refused: code, reason });
    expect(await closing(page())).toBe(code);
  });

  it.each(['https://evil.test', 'null', `http://127.0.0.1:${1}`])('stay closed for a page of %s', async (origin) => {
    const [error] = (await once(page(undefined, origin), 'error')) as [Error];
    expect(error.message).toContain('403');
  });
  it.each(['https://dashboard.test', 'own'])('open for a page of %s', async (origin) => {
    const socket = page(undefined, origin === 'own' ? `http://127.0.0.1:${port}` : origin);
    await once(socket, 'open');
    socket.terminate();
  });

  it.each([['text', 'hello', 1003], ['too much at once', Buffer.alloc((1 << 20) + 1), 1009]])('end at %s', async (_what, data, code) => {
    const socket = page();
    await once(socket, 'open');
    socket.send(data);
    expect(await closing(socket)).toBe(code);
    if (!host.closed) await once(host, 'close');
    expect(host.got).toEqual([]);
  });

  it('read nothing more from a host whose browser stalls', async () => {
    host.flood = true;
    const socket = page();
    await once(socket, 'open');
    (socket as unknown as { _socket: { pause(): void } })._socket.pause();
    let before = -1;
    while (before !== host.pushed || !host.isPaused()) { before = host.pushed; await new Promise((resolve) => setTimeout(resolve, 200)); }
    // The kernel's buffers of both ends, and half a megabyte here.
    expect(host.pushed).toBeLessThan(16 << 20);
    expect(host.pushed).toBeGreaterThan(0);
    socket.terminate();
  });

  it('end when the host goes, and when the database or identity says so', async () => {
    const of = async (act: () => unknown) => { host = new Host(); const socket = page(); await once(socket, 'open'); await act(); return closing(socket); };
    expect(await of(() => host.destroy())).toBe(CLOSE.again);
    ended = [{ sessionId: 's', attemptId: 'a', verdict: 'deleted' }];
    expect(await of(() => connections.look())).toBe(CLOSE.deleted);
    ended = [{ sessionId: 's', attemptId: 'a', verdict: 'moved' }];
    expect(await of(() => connections.look())).toBe(CLOSE.again);
    expect(await of(() => connections.revoke({ userId: 'other', issuedBefore: 2000 }) as unknown ?? connections.revoke({ userId: 'u', issuedBefore: 2000 }))).toBe(CLOSE.revoked);
    expect(connections.isRevoked(holder)).toBe(true);
  });

  it('of a serial line carry data and roles apart', async () => {
    protocol = 'serial';
    const socket = page();
    await once(socket, 'open');
    host.push(Buffer.concat([serialFrame(SERIAL_FRAME.data, Buffer.from('# ')), serialControl({ role: 'viewer', viewers: 1 })]));
    const seen: [string, boolean][] = [];
    socket.on('message', (data, binary) => seen.push([String(data), binary]));
    while (seen.length < 2) await new Promise(setImmediate);
    expect(seen).toEqual([['# ', true], ['{"role":"viewer","viewers":1}', false]]);
    socket.send('take');
    socket.send(Buffer.from('ls\r'));
    const wanted = Buffer.concat([serialFrame(SERIAL_FRAME.control, Buffer.from('{"take":true}')), serialFrame(SERIAL_FRAME.data, Buffer.from('ls\r'))]);
    while (Buffer.concat(host.got).length < wanted.length) await new Promise(setImmediate);
    expect(Buffer.concat(host.got)).toEqual(wanted);
    socket.terminate();
  });

  it('one address holds no more than its share, and gets it back', async () => {
    const sockets = Array.from({ length: 1000 }, () => connect({ host: '127.0.0.1', port }).on('error', () => undefined));
    let open = sockets.length;
    for (const socket of sockets) socket.on('close', () => open--);
    while (open > 20) await new Promise((resolve) => setTimeout(resolve, 10));
    for (const socket of sockets) socket.destroy();
    for (;;) { try { if ((await send('GET', '/vnc_auto.html')).status === 200) break; } catch { await new Promise((resolve) => setTimeout(resolve, 20)); } }
    expect(open).toBeLessThanOrEqual(20);
  });

  it.each([['a request', 'GET /vnc_auto.html HTTP/1.1\r\nHost: a\r\nX-Slow: '], ['a handshake', upgrade('/websockify').slice(0, 60)], ['nothing', '']])('whoever sends %s slowly or not at all is left no connection', async (_what, begun) => {
    const socket = createConnection({ host: '127.0.0.1', port: hastyPort });
    socket.on('error', () => undefined).on('end', () => socket.destroy()).write(begun);
    const dripping = setInterval(() => socket.write('a'), 20);
    await new Promise((resolve) => socket.once('close', resolve));
    clearInterval(dripping);
  });

  it('a browser that is gone without a word is noticed, and its host let go', async () => {
    const socket = createConnection({ host: '127.0.0.1', port: hastyPort });
    // Reads and acknowledges, as a dead peer's kernel may do for long, and answers no ping.
    socket.on('data', () => undefined).write(upgrade(`/?token=${TOKEN}`));
    await Promise.all([once(socket, 'close'), once(host, 'close')]);
  });

  it('one that answers pings stays, however silent', async () => {
    protocol = 'spice';
    const socket = new WebSocket(`ws://127.0.0.1:${hastyPort}/?token=${TOKEN}`, 'binary');
    for (let pings = 0; pings < 5; pings++) await once(socket, 'ping');
    expect(socket.readyState).toBe(socket.OPEN);
    socket.terminate();
  });

  it.each([['vnc', CLOSE.idle], ['spice', undefined]] as const)('%s without a byte from the browser for long ends with %s', async (kind, code) => {
    protocol = kind;
    const socket = new WebSocket(`ws://127.0.0.1:${hastyPort}/websockify`, ['virga.v1', 'virga.page.0123456789', `virga.token.${TOKEN}`]);
    const ended = closing(socket);
    await once(socket, 'open');
    for (let pings = 0; pings < 8 && socket.readyState === socket.OPEN; pings++) await Promise.race([once(socket, 'ping'), ended]);
    if (code === undefined) expect(socket.readyState).toBe(socket.OPEN);
    else expect(await ended).toBe(code);
    socket.terminate();
  });
});
