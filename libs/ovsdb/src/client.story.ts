import { OvsdbClient } from './client';
import { ConnectionLostError, ConstraintViolationError, InvalidRequestError, NotConnectedError, NotLockOwnerError, ReferentialIntegrityError, TransactionError, WaitTimedOutError } from './errors';
import type { MonitorSpec } from './model';
import { ovnNorthbound } from './schema/ovn-nb';
import type { NbTables } from './schema/ovn-nb';
import { TestServer, schemaFiles, storyDirectory, until } from './testing/ovsdb-server';

const directory = storyDirectory();
const server = new TestServer(directory.path, 'nb', schemaFiles.northbound);
const open: { close(): Promise<void> }[] = [];

function client<const M extends MonitorSpec<NbTables>>(monitor: M): OvsdbClient<NbTables, M> {
  const made = new OvsdbClient(ovnNorthbound, { remotes: [server.remote], monitor, backoffMs: { first: 20, last: 200 } });
  open.push(made);
  return made;
}

beforeAll(() => server.start());
afterEach(async () => {
  await Promise.all(open.splice(0).map((made) => made.close()));
});
afterAll(async () => {
  await server.stop();
  directory.remove();
});

const switches = { Logical_Switch: 'all', Logical_Switch_Port: 'all' } as const;

test('a switch with a port is written in one transaction and is in the local copy when the commit resolves', async () => {
  const nb = await client(switches).connect();
  const tx = nb.transaction();
  const port = tx.insert('Logical_Switch_Port', { name: 'p1', addresses: ['02:00:00:00:00:01 10.0.0.5'], external_ids: { owner: 'x' } });
  const ls = tx.insert('Logical_Switch', { name: 's1', ports: [port], other_config: { mcast_snoop: 'false' } });
  tx.comment('made by a story');
  const result = await nb.commit(tx);
  const row = nb.table('Logical_Switch').get(result.uuid(ls));
  expect(row).toMatchObject({ _uuid: result.uuid(ls), name: 's1', ports: [result.uuid(port)], other_config: { mcast_snoop: 'false' }, acls: [] });
  expect(nb.table('Logical_Switch_Port').get(result.uuid(port))).toMatchObject({ name: 'p1', up: null, enabled: null, type: '', external_ids: { owner: 'x' } });
  expect(await nb.select('Logical_Switch', [['name', '==', 's1']])).toEqual([row]);
});

test('deleting the switch collects its ports', async () => {
  const nb = await client(switches).connect();
  const tx = nb.transaction();
  const ports = ['g1', 'g2', 'g3'].map((name) => tx.insert('Logical_Switch_Port', { name }));
  const ls = tx.insert('Logical_Switch', { name: 'collected', ports });
  const uuid = (await nb.commit(tx)).uuid(ls);
  expect(nb.table('Logical_Switch_Port').filter((row) => row.name.startsWith('g'))).toHaveLength(3);
  const remove = nb.transaction();
  const step = remove.delete('Logical_Switch', uuid);
  expect((await nb.commit(remove)).count(step)).toBe(1);
  expect(nb.table('Logical_Switch_Port').filter((row) => row.name.startsWith('g'))).toEqual([]);
  expect(await nb.select('Logical_Switch_Port', [['name', '==', 'g1']])).toEqual([]);
});

test('compare-and-set on external_ids refuses a stale writer and keeps the first one\'s work', async () => {
  const nb = await client(switches).connect();
  const create = nb.transaction();
  const ls = create.insert('Logical_Switch', { name: 'cas', external_ids: { id: 'n1', rev: '1' } });
  const uuid = (await nb.commit(create)).uuid(ls);
  const write = (from: string, to: string, name: string) => {
    const tx = nb.transaction();
    tx.requireSome('Logical_Switch', [['_uuid', '==', uuid], ['external_ids', 'includes', { rev: from }]]);
    tx.update('Logical_Switch', uuid, { name, external_ids: { id: 'n1', rev: to } });
    return nb.commit(tx);
  };
  const results = await Promise.allSettled([write('1', '2', 'first'), write('1', '2', 'second')]);
  expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected']);
  const { reason } = results[1] as PromiseRejectedResult;
  expect(reason).toBeInstanceOf(WaitTimedOutError);
  expect(reason).toMatchObject({ operation: 0, code: 'timed out', sent: true });
  expect(nb.table('Logical_Switch').get(uuid)).toMatchObject({ name: 'first', external_ids: { rev: '2' } });
  const again = nb.transaction();
  again.requireNone('Logical_Switch', [['external_ids', 'includes', { id: 'n1' }]]);
  again.insert('Logical_Switch', { name: 'double', external_ids: { id: 'n1' } });
  await expect(nb.commit(again)).rejects.toBeInstanceOf(WaitTimedOutError);
  expect(nb.table('Logical_Switch').find((row) => row.name === 'double')).toBeUndefined();
});

test('a wait with a whole row compares it', async () => {
  const nb = await client(switches).connect();
  const tx = nb.transaction();
  const ls = tx.insert('Logical_Switch', { name: 'whole', external_ids: { a: '1' } });
  const uuid = (await nb.commit(tx)).uuid(ls);
  const attempt = (externalIds: Record<string, string>) => {
    const cas = nb.transaction();
    cas.wait('Logical_Switch', { where: uuid, columns: ['external_ids'], rows: [{ external_ids: externalIds }], until: '==' });
    return nb.commit(cas);
  };
  await attempt({ a: '1' });
  await expect(attempt({ a: '1', b: '2' })).rejects.toBeInstanceOf(WaitTimedOutError);
});

test('constraints, references at commit, unknown columns and values of a wrong type each have their error', async () => {
  const nb = await client(switches).connect();
  const duplicate = nb.transaction();
  duplicate.insert('Port_Group', { name: 'pg' });
  duplicate.insert('Port_Group', { name: 'pg' });
  const violation = await nb.commit(duplicate).catch((error: unknown) => error);
  expect(violation).toBeInstanceOf(ConstraintViolationError);
  expect(violation).toMatchObject({ operation: undefined }); // found at commit: the extra element at the end
  const priority = nb.transaction();
  priority.insert('ACL', { priority: 40000, direction: 'to-lport', match: '1', action: 'drop' });
  expect(await nb.commit(priority).catch((error: unknown) => error)).toMatchObject({ name: 'ConstraintViolationError', operation: 0 });
  const dangling = nb.transaction();
  dangling.insert('Logical_Switch', { name: 'd', ports: ['00000000-0000-4000-8000-000000000000'] });
  await expect(nb.commit(dangling)).rejects.toBeInstanceOf(ReferentialIntegrityError);
  const unknown = nb.transaction();
  unknown.insert('Logical_Switch', { nme: 'd' } as object);
  await expect(nb.commit(unknown)).rejects.toMatchObject({ sent: false, message: expect.stringContaining('Logical_Switch.nme') });
  const wrong = nb.transaction();
  wrong.insert('Logical_Switch', { name: 5 as unknown as string });
  await expect(nb.commit(wrong)).rejects.toBeInstanceOf(InvalidRequestError);
  const both = nb.transaction();
  both.insert('Port_Group', { name: 'survives?' });
  both.assertLock('nobody');
  await expect(nb.commit(both)).rejects.toBeInstanceOf(NotLockOwnerError);
  expect(await nb.select('Port_Group', [])).toEqual([]);
  expect(new TransactionError('x', '')).toBeInstanceOf(Error);
});

test('kill -9 of the server: calls fail, then the client is back with the changes made meanwhile by others', async () => {
  const nb = await client(switches).connect();
  const events: string[] = [];
  nb.watch('Logical_Switch', (change) => events.push(`${change.type} ${(change.row ?? change.old)!.name}`));
  const tx = nb.transaction();
  tx.insert('Logical_Switch', { name: 'before-kill' });
  await nb.commit(tx);
  const hanging = nb.transaction();
  hanging.wait('Logical_Switch', { where: [['name', '==', 'never']], columns: ['name'], rows: [{ name: 'never' }], until: '==', timeoutMs: 60_000 });
  const hung = nb.commit(hanging);
  const outcome = hung.catch((error: unknown) => error);
  const gone = new Promise((resolve) => nb.once('disconnected', resolve));
  await server.stop('SIGKILL');
  await gone;
  expect(await outcome).toBeInstanceOf(ConnectionLostError);
  expect(await outcome).toMatchObject({ sent: true });
  await expect(nb.commit(nb.transaction())).rejects.toBeInstanceOf(NotConnectedError);
  expect(nb.table('Logical_Switch').find((row) => row.name === 'before-kill')).toBeDefined();
  await server.start();
  const other = await client({}).connect();
  const change = other.transaction();
  change.insert('Logical_Switch', { name: 'meanwhile' });
  change.delete('Logical_Switch', [['name', '==', 'before-kill']]);
  await other.commit(change);
  await until('the change of the other client', () => nb.table('Logical_Switch').find((row) => row.name === 'meanwhile'));
  expect(nb.table('Logical_Switch').find((row) => row.name === 'before-kill')).toBeUndefined();
  // Rows that stayed the same made no events.
  expect(events.sort()).toEqual(['delete before-kill', 'insert before-kill', 'insert meanwhile']);
});

test('a lock goes to one client at a time, and on when its holder goes', async () => {
  const [a, b, c] = await Promise.all([client({}).connect(), client({}).connect(), client({}).connect()]);
  const first = a.lock('reconciler');
  await first.whenHeld();
  const second = b.lock('reconciler');
  expect(b.lock('reconciler')).toBe(second);
  const guarded = (who: typeof a) => {
    const tx = who.transaction();
    tx.assertLock('reconciler');
    return who.commit(tx);
  };
  await guarded(a);
  await expect(guarded(b)).rejects.toBeInstanceOf(NotLockOwnerError);
  expect(second.held).toBe(false);
  await first.release();
  await second.whenHeld();
  await guarded(b);
  const third = c.lock('reconciler');
  await b.close();
  expect(second.held).toBe(false);
  await third.whenHeld();
  const lost = new Promise<void>((resolve) => third.once('lost', resolve));
  const thief = a.lock('reconciler');
  await thief.steal();
  await lost;
  await guarded(a);
  await expect(guarded(c)).rejects.toBeInstanceOf(NotLockOwnerError);
});

test('a lock is asked for again after a lost connection', async () => {
  const nb = await client({}).connect();
  const lock = nb.lock('again');
  await lock.whenHeld();
  const lost = new Promise<void>((resolve) => lock.once('lost', resolve));
  await server.stop('SIGKILL');
  await lost;
  await server.start();
  await lock.whenHeld();
  const tx = nb.transaction();
  tx.assertLock('again');
  await nb.commit(tx);
});

test('a table or column that the server lacks is left out of the monitor and named', async () => {
  const monitor = { Logical_Switch: ['name', 'invented'], Invented: 'all' } as unknown as { Logical_Switch: readonly ['name'] };
  const nb = await client(monitor).connect();
  expect([...nb.missing].sort()).toEqual(['Invented', 'Logical_Switch.invented']);
  const tx = nb.transaction();
  tx.insert('Logical_Switch', { name: 'narrow', external_ids: { not: 'copied' } });
  await nb.commit(tx);
  const row = nb.table('Logical_Switch').find((candidate) => candidate.name === 'narrow')!;
  expect(Object.keys(row).sort()).toEqual(['_uuid', 'name']);
});

test('a monitor with conditions copies the rows that meet one of them, also after a change', async () => {
  const nb = await client({ Logical_Switch: { columns: ['name'], anyOf: [['name', '==', 'c1'], ['name', '==', 'c2']] } } as const).connect();
  const tx = nb.transaction();
  const c3 = tx.insert('Logical_Switch', { name: 'c3' });
  tx.insert('Logical_Switch', { name: 'c1' });
  const uuid = (await nb.commit(tx)).uuid(c3);
  expect([...nb.table('Logical_Switch').all()].map((row) => row.name)).toEqual(['c1']);
  const rename = nb.transaction();
  rename.update('Logical_Switch', uuid, { name: 'c2' });
  await nb.commit(rename);
  expect([...nb.table('Logical_Switch').all()].map((row) => row.name).sort()).toEqual(['c1', 'c2']);
});

test('an index by a mark follows the table', async () => {
  const nb = await client(switches).connect();
  const byMark = nb.table('Logical_Switch').index((row) => row.external_ids.mark);
  const tx = nb.transaction();
  const ls = tx.insert('Logical_Switch', { name: 'indexed', external_ids: { mark: 'm1' } });
  const uuid = (await nb.commit(tx)).uuid(ls);
  expect(byMark.get('m1')?.name).toBe('indexed');
  const change = nb.transaction();
  change.update('Logical_Switch', uuid, { external_ids: { mark: 'm2' } });
  await nb.commit(change);
  expect(byMark.get('m1')).toBeUndefined();
  expect(byMark.all('m2').map((row) => row._uuid)).toEqual([uuid]);
  const gone = nb.transaction();
  gone.delete('Logical_Switch', uuid);
  await nb.commit(gone);
  expect(byMark.all('m2')).toEqual([]);
});
