import { OvsdbClient } from './client';
import { InvalidRequestError, NotConnectedError, ProtocolError, WaitTimedOutError } from './errors';
import { database } from './model';
import type { MonitorSpec } from './model';
import { FakeServer } from './testing/fake-server';
import type { FakePeer, Request } from './testing/fake-server';
import { until } from './testing/ovsdb-server';

type Tables = { Thing: { name: string; size: number; tags: readonly string[]; ids: Readonly<Record<string, string>>; note: string | null } };
const things = database<Tables>('Things');

const schema = {
  name: 'Things',
  version: '1.0.0',
  tables: {
    Thing: {
      columns: {
        name: { type: 'string' },
        size: { type: 'integer' },
        tags: { type: { key: 'string', min: 0, max: 'unlimited' } },
        ids: { type: { key: 'string', value: 'string', min: 0, max: 'unlimited' } },
        note: { type: { key: 'string', min: 0, max: 1 } },
      },
    },
  },
};
const first = '00000000-0000-4000-8000-000000000001';
const second = '00000000-0000-4000-8000-000000000002';
const none = '00000000-0000-0000-0000-000000000000';

const servers: FakeServer[] = [];
const clients: { close(): Promise<void> }[] = [];

/** A server of the Things database; `state` is its row in `_Server`, absent on an old server. */
async function thingServer(rows: object = {}, state?: object): Promise<FakeServer> {
  const server = new FakeServer({
    list_dbs: (request, peer) => peer.answer(request, state ? ['Things', '_Server'] : ['Things']),
    get_schema: (request, peer) => peer.answer(request, schema),
    monitor: (request, peer) => peer.answer(request, { Database: { [first]: { new: { name: 'Things', ...state } } } }),
    monitor_cond_since: (request, peer) => peer.answer(request, [false, first, { Thing: rows }]),
  });
  servers.push(await server.start());
  return server;
}

function clientOf<const M extends MonitorSpec<Tables> = { Thing: 'all' }>(
  remotes: readonly FakeServer[],
  options: Partial<ConstructorParameters<typeof OvsdbClient<Tables, M>>[1]> = {},
): OvsdbClient<Tables, M> {
  const client = new OvsdbClient(things, {
    remotes: remotes.map((server) => server.remote),
    monitor: { Thing: 'all' } as unknown as M,
    backoffMs: { first: 1, last: 5 },
    probeMs: 0,
    ...options,
  });
  clients.push(client);
  return client;
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

const peerOf = (server: FakeServer): FakePeer => server.peers.at(-1)!;
const update = (server: FakeServer, rows: object, transaction = second): void =>
  peerOf(server).notify('update3', ['virga-ovsdb', 'data'], transaction, { Thing: rows });

test('columns left out of the initial rows have their defaults', async () => {
  const server = await thingServer({ [first]: { initial: { name: 'a' } } });
  const client = await clientOf([server]).connect();
  expect(client.table('Thing').get(first)).toEqual({ _uuid: first, name: 'a', size: 0, tags: [], ids: {}, note: null });
});

test('an update in the same packet as the monitor\'s answer is not lost', async () => {
  const server = await thingServer();
  server.answers.monitor_cond_since = (request, peer) => {
    const answer = JSON.stringify({ id: request.id, result: [false, first, { Thing: { [first]: { initial: { name: 'a' } } } }], error: null });
    const change = JSON.stringify({ id: null, method: 'update3', params: [['virga-ovsdb', 'data'], second, { Thing: { [first]: { modify: { size: 7 } } } }] });
    void peer.raw(answer + change);
  };
  const client = await clientOf([server]).connect();
  expect(client.table('Thing').get(first)).toMatchObject({ name: 'a', size: 7 });
});

test('watchers see insert, modify and delete with old and new row, after the batch is applied', async () => {
  const server = await thingServer({ [first]: { initial: { name: 'a', tags: ['set', ['x', 'y']], ids: ['map', [['k', '1']]] } } });
  const client = await clientOf([server]).connect();
  const seen: unknown[] = [];
  const stop = client.watch('Thing', (change) => seen.push([change.type, change.old, change.row, client.table('Thing').size]));
  const a = client.table('Thing').get(first);
  update(server, { [first]: { modify: { tags: ['set', ['y', 'z']], ids: ['map', [['k', '2'], ['l', '3']]], note: 'n' } }, [second]: { insert: { name: 'b' } } });
  await until('both changes', () => seen.length === 2);
  const changed = { ...a, tags: ['x', 'z'], ids: { k: '2', l: '3' }, note: 'n' };
  const b = { _uuid: second, name: 'b', size: 0, tags: [], ids: {}, note: null };
  expect(seen).toEqual([['modify', a, changed, 2], ['insert', undefined, b, 2]]);
  expect(Object.isFrozen(client.table('Thing').get(first))).toBe(true);
  stop();
  update(server, { [first]: { delete: null } });
  await until('deletion', () => client.table('Thing').size === 1);
  expect(seen).toHaveLength(2);
});

test('a watcher that throws stops neither the others nor the client', async () => {
  const server = await thingServer();
  const client = await clientOf([server]).connect();
  const errors: unknown[] = [];
  const seen: string[] = [];
  client.on('watcherError', (error) => errors.push(error));
  client.watch('Thing', () => { throw new Error('mine'); });
  client.watch('Thing', (change) => seen.push(change.uuid));
  update(server, { [first]: { insert: {} } });
  await until('the second watcher', () => seen.length === 1);
  expect(errors).toEqual([new Error('mine')]);
  expect(client.connected).toBe(true);
});

test('a listener that throws on connected or updated does not leave a half-open session', async () => {
  const server = await thingServer();
  const client = clientOf([server]);
  const reasons: string[] = [];
  client.on('retry', (_remote, reason) => reasons.push(reason.message));
  client.on('watcherError', (error) => reasons.push((error as Error).message));
  client.once('connected', () => { throw new Error('on connected'); });
  await client.connect();
  expect(client.connected).toBe(true);
  await until('the second session', () => server.peers.length === 2 && client.connected);
  client.once('updated', () => { throw new Error('on updated'); });
  update(server, { [first]: { insert: {} } });
  await until('the row', () => client.table('Thing').size === 1);
  expect(reasons).toEqual(['on connected', 'on updated']);
  expect(server.peers).toHaveLength(2);
});

test('waitForRow resolves at once or with the change, survives a lost connection, and gives up in time', async () => {
  const server = await thingServer({ [first]: { initial: { name: 'a' } } });
  const client = await clientOf([server]).connect();
  expect(await client.waitForRow('Thing', (row) => row.name === 'a', 1)).toMatchObject({ _uuid: first });
  const grown = client.waitForRow('Thing', (row) => row.size > 1, 60_000);
  const again = new Promise((resolve) => client.once('connected', resolve));
  peerOf(server).socket.destroy();
  await again;
  update(server, { [first]: { modify: { size: 1 } } });
  update(server, { [first]: { modify: { size: 2 } } });
  expect(await grown).toMatchObject({ size: 2 });
  await expect(client.waitForRow('Thing', (row) => row.size > 2, 10)).rejects.toMatchObject({ name: 'CallTimeoutError', sent: false });
  const never = client.waitForRow('Thing', () => false, 60_000).catch((error: unknown) => error);
  await client.close();
  expect(await never).toBeInstanceOf(NotConnectedError);
});

test('close at the very moment a session comes up ends it', async () => {
  const server = await thingServer();
  for (let hops = 0; hops < 12; hops++) {
    const client = clientOf([server]);
    const asked = server.of('monitor_cond_since').length;
    server.answers.monitor_cond_since = (request, peer) => peer.answer(request, [false, first, {}]);
    client.start();
    await until('the last request', () => server.of('monitor_cond_since').length > asked);
    for (let i = 0; i < hops; i++) await (hops % 2 ? Promise.resolve() : new Promise((resolve) => setImmediate(resolve)));
    await client.close();
    expect(client.connected).toBe(false);
  }
});

test('after a lost connection it asks for what came since the last transaction, and applies it as differences', async () => {
  const server = await thingServer({ [first]: { initial: { name: 'a', tags: ['set', ['x', 'y']] } } });
  const client = await clientOf([server]).connect();
  expect(server.of('monitor_cond_since')[0]!.params[3]).toBe(none);
  server.answers.monitor_cond_since = (request, peer) => peer.answer(request, [true, second, { Thing: { [first]: { modify: { tags: ['set', ['y']] } } } }]);
  const again = new Promise((resolve) => client.once('connected', (remote, incremental) => resolve(incremental)));
  peerOf(server).socket.destroy();
  expect(await again).toBe(true);
  expect(server.of('monitor_cond_since')[1]!.params[3]).toBe(first);
  expect(client.table('Thing').get(first)?.tags).toEqual(['x']);
});

test('a full dump after a lost connection makes events only for real differences', async () => {
  const row = { name: 'a', tags: ['set', ['x', 'y']] };
  const server = await thingServer({ [first]: { initial: row }, [second]: { initial: { name: 'gone' } } });
  const client = await clientOf([server]).connect();
  const seen: unknown[] = [];
  client.watch('Thing', (change) => seen.push([change.type, change.uuid]));
  server.answers.monitor_cond_since = (request, peer) => peer.answer(request, [false, second, { Thing: { [first]: { initial: { ...row, tags: ['set', ['y', 'x']] } } } }]);
  const again = new Promise((resolve) => client.once('connected', resolve));
  peerOf(server).socket.destroy();
  await again;
  expect(seen).toEqual([['delete', second]]);
});

test('a change to a row that was never sent makes it start over with a full dump', async () => {
  const server = await thingServer();
  const client = await clientOf([server]).connect();
  const reason = new Promise((resolve) => client.once('disconnected', resolve));
  const again = new Promise((resolve) => client.once('connected', resolve));
  update(server, { [first]: { modify: { name: 'x' } } });
  expect(await reason).toBeInstanceOf(ProtocolError);
  await again;
  expect(server.of('monitor_cond_since')[1]!.params[3]).toBe(none);
});

test('a server without monitor_cond_since is asked for monitor_cond, and its update2 is applied', async () => {
  const server = await thingServer();
  server.answers.monitor_cond_since = (request, peer) => peer.answer(request, null, 'unknown method');
  server.answers.monitor_cond = (request, peer) => peer.answer(request, { Thing: { [first]: { initial: { name: 'a' } } } });
  const client = await clientOf([server]).connect();
  peerOf(server).notify('update2', ['virga-ovsdb', 'data'], { Thing: { [first]: { modify: { name: 'b' } } } });
  await until('update', () => client.table('Thing').get(first)?.name === 'b');
});

test('leader-only passes over followers and leaves a leader that is none any more', async () => {
  const follower = await thingServer({}, { model: 'clustered', connected: true, leader: false, cid: 'c' });
  const leader = await thingServer({}, { model: 'clustered', connected: true, leader: true, cid: 'c' });
  const client = await clientOf([follower, leader], { leaderOnly: true }).connect();
  expect(client.remote).toBe(leader.remote);
  expect(follower.of('monitor_cond_since')).toEqual([]);
  const server = (leads: boolean) => ({ Database: { [first]: { new: { name: 'Things', model: 'clustered', connected: true, leader: leads, cid: 'c' } } } });
  follower.answers.monitor = (request, peer) => peer.answer(request, server(true));
  leader.answers.monitor = (request, peer) => peer.answer(request, server(false));
  peerOf(leader).notify('update', ['virga-ovsdb', '_Server'], server(false));
  await until('the new leader', () => client.remote === follower.remote);
});

test('a member without quorum, one behind what was seen, and a server without the database are not used', async () => {
  const lost = await thingServer({}, { model: 'clustered', connected: false, leader: false, cid: 'c' });
  const good = await thingServer({}, { model: 'clustered', connected: true, leader: false, cid: 'c', index: 10 });
  const empty = await thingServer();
  empty.answers.list_dbs = (request, peer) => peer.answer(request, ['Other']);
  const reasons: string[] = [];
  const client = clientOf([lost, empty, good]);
  client.on('retry', (_remote, reason) => reasons.push(reason.message));
  await client.connect();
  expect(client.remote).toBe(good.remote);
  expect(reasons).toEqual([expect.stringContaining('not connected to its cluster'), expect.stringContaining('no database Things')]);
  good.answers.monitor = (request, peer) =>
    peer.answer(request, { Database: { [first]: { new: { name: 'Things', model: 'clustered', connected: true, cid: 'c', index: 9 } } } });
  peerOf(good).socket.destroy();
  await until('the refusal', () => reasons.some((reason) => reason.includes('is behind (index 9, seen 10)')));
  expect(client.connected).toBe(false);
});

test('requests fail at once while there is no session, and nothing of them is sent later', async () => {
  const server = await thingServer();
  const client = clientOf([server]);
  await expect(client.commit(client.transaction())).rejects.toBeInstanceOf(NotConnectedError);
  await expect(client.select('Thing', [])).rejects.toMatchObject({ sent: false });
  expect(() => client.schema).toThrow(NotConnectedError);
  await client.connect();
  expect(server.of('transact')).toEqual([]);
});

test('connect gives up waiting with the last reason, and close ends a client that never got through', async () => {
  const client = new OvsdbClient(things, { remotes: ['unix:/nonexistent/socket'], backoffMs: { first: 1, last: 2 } });
  await expect(client.connect(50)).rejects.toMatchObject({ name: 'NotConnectedError', message: expect.stringContaining('/nonexistent/socket') });
  const waiting = client.connect(60_000).catch((error: unknown) => error);
  await client.close();
  expect(await waiting).toBeInstanceOf(NotConnectedError);
});

test('close while the server keeps silent during set-up returns', async () => {
  const server = await thingServer();
  server.answers.list_dbs = undefined;
  const client = clientOf([server]).start();
  await until('the first request', () => server.requests.length > 0);
  await client.close();
  expect(client.connected).toBe(false);
});

test('a cancelled monitor makes a new session, with the schema as it is then', async () => {
  const server = await thingServer();
  const client = await clientOf([server]).connect();
  const again = new Promise((resolve) => client.once('connected', resolve));
  server.answers.get_schema = (request, peer) => peer.answer(request, { ...schema, version: '2.0.0' });
  peerOf(server).notify('monitor_canceled', ['virga-ovsdb', 'data']);
  await again;
  expect(client.schema.version).toBe('2.0.0');
});

async function committed(answer: (request: Request, peer: FakePeer) => void): Promise<unknown> {
  const server = await thingServer();
  server.answers.transact = answer;
  const client = await clientOf([server]).connect();
  const tx = client.transaction();
  tx.update('Thing', first, { size: 1 });
  tx.delete('Thing', []);
  return client.commit(tx).catch((error: unknown) => error);
}

test.each<[string, unknown, object]>([
  ['the first failed operation', [{ error: 'timed out', details: 'd' }, null], { name: 'WaitTimedOutError', operation: 0, details: 'd' }],
  ['a later one', [{ count: 1 }, { error: 'constraint violation' }], { name: 'ConstraintViolationError', operation: 1 }],
  ['the commit', [{ count: 1 }, { count: 1 }, { error: 'referential integrity violation' }], { name: 'ReferentialIntegrityError', operation: undefined }],
  ['an unknown code', [{ error: 'constructor' }, null], { name: 'TransactionError', code: 'constructor' }],
  ['too few answers', [{ count: 1 }], { name: 'ProtocolError' }],
  ['no list', { count: 1 }, { name: 'ProtocolError' }],
])('an answer that reports %s is an error', async (_what, result, expected) => {
  expect(await committed((request, peer) => peer.answer(request, result))).toMatchObject(expected);
});

test('the error classes tell their kin', async () => {
  const error = await committed((request, peer) => peer.answer(request, [{ error: 'timed out' }, null]));
  expect(error).toBeInstanceOf(WaitTimedOutError);
  expect(error).not.toBeInstanceOf(ProtocolError);
});

test('a transaction goes out in wire form, names and conditions included', async () => {
  const server = await thingServer();
  server.answers.transact = (request, peer) => peer.answer(request, request.params.slice(1).map(() => ({ count: 0, rows: [], uuid: ['uuid', first] })));
  const client = await clientOf([server]).connect();
  const tx = client.transaction();
  const named = tx.insert('Thing', { name: 'a', note: undefined, tags: ['t'] });
  tx.mutate('Thing', named, [['size', '+=', 1], ['ids', 'delete', ['k']]]);
  tx.requireNone('Thing', [['ids', 'includes', { k: '1' }], ['size', '<', 3]]);
  tx.comment('why');
  const result = await client.commit(tx);
  const [, insert, mutate, wait, comment] = server.of('transact')[0]!.params as Record<string, unknown>[];
  expect(insert).toEqual({ op: 'insert', table: 'Thing', row: { name: 'a', tags: ['set', ['t']] }, 'uuid-name': named.name });
  expect(mutate).toEqual({
    op: 'mutate', table: 'Thing',
    where: [['_uuid', '==', ['named-uuid', named.name]]],
    mutations: [['size', '+=', 1], ['ids', 'delete', ['set', ['k']]]],
  });
  expect(wait).toEqual({
    op: 'wait', table: 'Thing', columns: ['_uuid'], rows: [], until: '==', timeout: 0,
    where: [['ids', 'includes', ['map', [['k', '1']]]], ['size', '<', 3]],
  });
  expect(comment).toEqual({ op: 'comment', comment: 'why' });
  expect(result.uuid(named)).toBe(first);
  expect(() => result.uuid(client.transaction().insert('Thing', {}))).toThrow(InvalidRequestError);
});

test('a lock stolen right after it was granted is not held', async () => {
  const server = await thingServer();
  server.answers.lock = (request, peer) =>
    void peer.raw(JSON.stringify({ id: request.id, result: { locked: true }, error: null }) + JSON.stringify({ id: null, method: 'stolen', params: ['l'] }));
  const client = await clientOf([server]).connect();
  const lock = client.lock('l');
  await until('the request', () => server.of('lock').length === 1);
  server.answers.list_dbs = (request, peer) => peer.answer(request, []);
  server.answers.transact = (request, peer) => peer.answer(request, []);
  await client.commit(client.transaction());
  expect(lock.held).toBe(false);
  const lost = new AbortController();
  const waiting = lock.whenHeld(lost.signal);
  lost.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  const held = lock.whenHeld();
  peerOf(server).notify('locked', 'l');
  await held;
  expect(lock.held).toBe(true);
});

test('only monitored tables can be read locally, and remotes are checked at once', async () => {
  const client = new OvsdbClient(things, { remotes: ['tcp:h:1'] });
  expect(() => client.table('Thing' as never)).toThrow(InvalidRequestError);
  expect(() => new OvsdbClient(things, { remotes: [] })).toThrow(InvalidRequestError);
  expect(() => new OvsdbClient(things, { remotes: ['ftp:h:1'] })).toThrow(InvalidRequestError);
});
