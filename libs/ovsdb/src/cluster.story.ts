import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OvsdbClient } from './client';
import { NotConnectedError, OvsdbError } from './errors';
import { ovnNorthbound } from './schema/ovn-nb';
import { schemaFiles, storyDirectory, until } from './testing/ovsdb-server';

const directory = storyDirectory();
const at = (name: string): string => join(directory.path, name);
const children: ChildProcess[] = [];
const clients: { close(): Promise<void> }[] = [];

function serve(name: string, ...extra: string[]): ChildProcess {
  const child = spawn('ovsdb-server', [at(`${name}.db`), `--unixctl=${at(`${name}.ctl`)}`, '--no-chdir', '-vconsole:off', ...extra], {
    stdio: 'ignore',
    env: { ...process.env, OVS_RUNDIR: directory.path, OVS_DBDIR: directory.path },
  });
  children.push(child);
  return child;
}

const gone = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(children.splice(0).map(gone));
});
afterAll(() => directory.remove());

test('three members: the client follows the leader, and no acknowledged write is lost when it is killed', async () => {
  const raft = [21651, 21652, 21653].map((port) => `tcp:127.0.0.1:${port}`);
  const names = ['n1', 'n2', 'n3'];
  const remotes = names.map((name) => `unix:${at(`${name}.sock`)}`);
  execFileSync('ovsdb-tool', ['create-cluster', at('n1.db'), schemaFiles.northbound, raft[0]!]);
  for (const i of [1, 2]) execFileSync('ovsdb-tool', ['join-cluster', at(`${names[i]}.db`), 'OVN_Northbound', raft[i]!, raft[0]!]);
  const members = new Map(names.map((name, i) => [remotes[i]!, serve(name, `--remote=p${remotes[i]}`)]));
  for (const remote of remotes) execFileSync('ovsdb-client', ['-t', '60', 'wait', remote, 'OVN_Northbound', 'connected'], { stdio: 'ignore' });
  const options = { remotes, backoffMs: { first: 20, last: 200 } };
  const writer = new OvsdbClient(ovnNorthbound, { ...options, leaderOnly: true, monitor: { Address_Set: ['name'] } as const });
  const reader = new OvsdbClient(ovnNorthbound, { ...options, remotes: [...remotes].reverse(), monitor: { Address_Set: ['name'] } as const });
  clients.push(writer, reader);
  await Promise.all([writer.connect(60_000), reader.connect(60_000)]);
  const acknowledged: string[] = [];
  const write = async (name: string): Promise<void> => {
    const tx = writer.transaction();
    tx.insert('Address_Set', { name });
    await writer.commit(tx).then(() => acknowledged.push(name), (error: unknown) => {
      if (!(error instanceof OvsdbError)) throw error;
    });
  };
  for (let i = 0; i < 20; i++) await write(`before${i}`);
  const leader = writer.remote!;
  members.get(leader)!.kill('SIGKILL');
  await until('a new leader', () => writer.connected && writer.remote !== leader);
  for (let i = 0; i < 20; i++) await write(`after${i}`);
  expect(acknowledged.filter((name) => name.startsWith('after')).length).toBeGreaterThan(0);
  expect(acknowledged.filter((name) => name.startsWith('before'))).toHaveLength(20);
  const stored = new Set((await writer.select('Address_Set', [])).map((row) => row.name));
  expect(acknowledged.filter((name) => !stored.has(name))).toEqual([]);
  expect(new Set([...writer.table('Address_Set').all()].map((row) => row.name))).toEqual(stored);
  await until('the reader on whatever member', () => reader.connected && reader.table('Address_Set').size === stored.size);
});

test('TLS: both sides prove who they are; a stranger, an unknown authority and a wrong name are refused', async () => {
  const openssl = (...parts: string[]): void => void execFileSync('openssl', parts, { stdio: 'ignore' });
  const authority = (name: string): void =>
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.crt`));
  const issue = (name: string): void => {
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`));
    openssl('x509', '-req', '-days', '2', '-in', at(`${name}.csr`), '-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial', '-out', at(`${name}.crt`));
  };
  authority('ca');
  authority('stranger');
  issue('server');
  issue('client');
  execFileSync('ovsdb-tool', ['create', at('tls.db'), schemaFiles.northbound]);
  const port = 21654;
  serve('tls', `--remote=pssl:${port}:127.0.0.1`, `--private-key=${at('server.key')}`, `--certificate=${at('server.crt')}`, `--ca-cert=${at('ca.crt')}`);
  const pem = (name: string): Buffer => readFileSync(at(name));
  const good = { ca: pem('ca.crt'), cert: pem('client.crt'), key: pem('client.key'), verifyHostName: false };
  const client = (tls: typeof good) => {
    const made = new OvsdbClient(ovnNorthbound, { remotes: [`ssl:127.0.0.1:${port}`], tls, backoffMs: { first: 20, last: 100 } });
    clients.push(made);
    return made;
  };
  const nb = await client(good).connect();
  const tx = nb.transaction();
  tx.insert('Address_Set', { name: 'x'.repeat(100_000) });
  await nb.commit(tx);
  expect((await nb.select('Address_Set', []))[0]!.name).toHaveLength(100_000);
  const reason = async (tls: typeof good): Promise<string> => {
    const error = await client(tls).connect(2000).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(NotConnectedError);
    return (error as Error).message;
  };
  expect(await reason({ ...good, verifyHostName: true })).toMatch(/altnames|does not match/i);
  expect(await reason({ ...good, ca: pem('stranger.crt') })).toMatch(/certificate|verify/i);
  await reason({ ...good, cert: pem('stranger.crt'), key: pem('stranger.key') });
});
