import { Connection } from './connection';
import { CallTimeoutError, ConnectionLostError, InvalidRequestError, NotConnectedError, ProtocolError, ServerError } from './errors';
import { parseRemote } from './remotes';
import { FakeServer } from './testing/fake-server';
import { until } from './testing/ovsdb-server';

let server: FakeServer;
const connections: Connection[] = [];

async function open(options: Parameters<typeof Connection.open>[1] = {}): Promise<Connection> {
  const connection = await Connection.open(server.remote, { probeMs: 0, ...options });
  connections.push(connection);
  return connection;
}

const ended = (connection: Connection): Promise<unknown> => new Promise((resolve) => connection.once('close', resolve));

beforeEach(async () => {
  server = await new FakeServer().start();
});
afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close();
  await server.stop();
});

test('answers find their calls by id, whatever their order', async () => {
  const connection = await open();
  const calls = ['a', 'b', 'c'].map((param) => connection.call('get', [param]));
  await until('requests', () => server.requests.length === 3);
  for (const request of [...server.requests].reverse()) server.peers[0]!.answer(request, request.params[0]);
  expect(await Promise.all(calls)).toEqual(['a', 'b', 'c']);
});

test('an answer that arrives byte by byte is read', async () => {
  server.answers.get = (request, peer) => void peer.raw(JSON.stringify({ id: request.id, result: 'żółw', error: null }), 1);
  expect(await (await open()).call('get', [])).toBe('żółw');
});

test('repeated answers and answers to nobody are ignored', async () => {
  server.answers.get = (request, peer) => {
    peer.send({ id: 'nobody', result: 0, error: null });
    peer.send({ id: 4711, result: 0, error: null });
    peer.answer(request, 'first');
    peer.answer(request, 'second');
  };
  const connection = await open();
  expect(await connection.call('get', [])).toBe('first');
  expect(await connection.call('get', [])).toBe('first');
  expect(connection.closedBy).toBeUndefined();
});

test('an echo request of the server is answered with its parameters, an unknown request with an error', async () => {
  server.answers.get = (request, peer) => {
    peer.send({ id: 'echo', method: 'echo', params: ['x', 1] });
    peer.send({ id: 'q1', method: 'invented', params: [] });
    peer.answer(request, null);
  };
  await (await open()).call('get', []);
  await until('both replies', () => server.requests.length === 3);
  expect(server.requests.slice(1)).toEqual([
    { id: 'echo', result: ['x', 1], error: null },
    { id: 'q1', result: null, error: { error: 'unknown method' } },
  ]);
});

test('an error answer becomes a ServerError with code and details', async () => {
  server.answers.get = (request, peer) => peer.answer(request, null, { error: 'unknown database', details: 'no such' });
  server.answers.put = (request, peer) => peer.answer(request, null, 'canceled');
  const connection = await open();
  const error = await connection.call('get', []).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ServerError);
  expect(error).toMatchObject({ code: 'unknown database', details: 'no such', sent: true });
  await expect(connection.call('put', [])).rejects.toMatchObject({ code: 'canceled' });
});

test('a call that takes too long fails, a transaction is cancelled, and the late answer harms nobody', async () => {
  const connection = await open();
  const error = await connection.call('transact', ['db'], 20).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(CallTimeoutError);
  expect(error).toMatchObject({ sent: true });
  await until('cancel', () => server.of('cancel').length === 1);
  const [request] = server.of('transact');
  expect(server.of('cancel')[0]).toMatchObject({ id: null, params: [request!.id] });
  server.peers[0]!.answer(request!, 'late');
  server.answers.get = (again, peer) => peer.answer(again, 'fine');
  expect(await connection.call('get', [])).toBe('fine');
});

test('a lost connection fails the calls under way as sent, and later calls at once as not sent', async () => {
  const connection = await open();
  const under = connection.call('transact', ['db']).catch((reason: unknown) => reason);
  await until('request', () => server.requests.length === 1);
  server.peers[0]!.socket.destroy();
  expect(await under).toBeInstanceOf(ConnectionLostError);
  expect(await under).toMatchObject({ sent: true });
  const later = await connection.call('transact', ['db']).catch((reason: unknown) => reason);
  expect(later).toBeInstanceOf(NotConnectedError);
  expect(later).toMatchObject({ sent: false });
  expect(connection.pendingCalls).toBe(0);
});

test.each([
  ['garbage', 'HTTP/1.1 400 Bad Request\r\n'],
  ['a list', '[]'],
  ['a notification without parameters', '{"id":null,"method":"update3"}'],
])('%s ends the connection with a ProtocolError', async (_what, text) => {
  const connection = await open();
  const under = connection.call('get', []).catch((reason: unknown) => reason);
  const reason = ended(connection);
  await until('peer', () => server.peers.length === 1);
  await server.peers[0]!.raw(text);
  expect(await reason).toBeInstanceOf(ProtocolError);
  expect(await under).toBeInstanceOf(ConnectionLostError);
});

test('a giant message ends the connection at its limit', async () => {
  const connection = await open({ limits: { maxBytes: 1_000_000 } });
  const reason = ended(connection);
  await until('peer', () => server.peers.length === 1);
  const { socket } = server.peers[0]!;
  socket.write('{"a":"');
  for (let i = 0; i < 400 && !socket.destroyed; i++) {
    socket.write(Buffer.alloc(10_000, 0x61));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await reason).toMatchObject({ name: 'ProtocolError', message: expect.stringContaining('1000000') });
});

test('a silent peer is probed; one that answers stays, one that does not is given up', async () => {
  server.answers.echo = (request, peer) => peer.answer(request, request.params);
  const connection = await open({ probeMs: 20 });
  await until('several probes', () => server.of('echo').length >= 3);
  expect(connection.closedBy).toBeUndefined();
  server.answers.echo = undefined;
  expect(await ended(connection)).toMatchObject({ name: 'ConnectionLostError', message: expect.stringContaining('no sign of life') });
});

test('calls under way are limited', async () => {
  const connection = await open({ maxPendingCalls: 2 });
  const under = [connection.call('get', []), connection.call('get', [])].map((call) => call.catch(() => 'lost'));
  await expect(connection.call('get', [])).rejects.toMatchObject({ sent: false });
  connection.close();
  expect(await Promise.all(under)).toEqual(['lost', 'lost']);
});

test('a remote that is not there, or never answers TLS, is NotConnectedError', async () => {
  await expect(Connection.open('unix:/nonexistent/socket')).rejects.toBeInstanceOf(NotConnectedError);
  await expect(Connection.open('tcp:127.0.0.1:1')).rejects.toMatchObject({ sent: false });
});

test.each([
  ['unix:/run/db.sock', { kind: 'unix', path: '/run/db.sock' }],
  ['tcp:127.0.0.1:6641', { kind: 'tcp', host: '127.0.0.1', port: 6641 }],
  ['ssl:ovn.example.org:6642', { kind: 'ssl', host: 'ovn.example.org', port: 6642 }],
  ['tcp:[2001:db8::1]:6641', { kind: 'tcp', host: '2001:db8::1', port: 6641 }],
])('reads the remote %s', (text, remote) => {
  expect(parseRemote(text)).toEqual(remote);
});

test.each(['', 'unix:', 'tcp:127.0.0.1', 'tcp::6641', 'tcp:a:0', 'tcp:a:65536', 'tcp:a:b', 'http://a:1', 'ptcp:1', 'tcp:2001:db8::1:6641', 'tcp:a b:1'])('refuses the remote %j', (text) => {
  expect(() => parseRemote(text)).toThrow(InvalidRequestError);
});

test('ssl without an authority to trust is refused', async () => {
  await expect(Connection.open('ssl:127.0.0.1:1')).rejects.toBeInstanceOf(InvalidRequestError);
});
