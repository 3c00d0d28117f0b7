import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Authority, IDENTITY_FILES, type CertificateWish } from '@virga/mutual-tls';
import { accepts, freePort, startPrivateServer, temporaryDirectory, type PrivateServer } from '@virga/testing';
import { chassisWish, ovnTlsOptions } from '../pki/identities';

const run = promisify(execFile);
const dir = temporaryDirectory('southbound');
const servers: PrivateServer[] = [];
const sbctl = async (...words: string[]): Promise<string> => (await run('ovn-sbctl', [`--db=unix:${dir}/sb.sock`, '--timeout=15', ...words])).stdout;
const database: CertificateWish = { peer: { role: 'southbound' }, addresses: ['127.0.0.1'], names: [], ends: ['server'] };
let port: number;
let poser: number;

async function serve(name: string, identity: string, remote: string, more = ''): Promise<void> {
  const command = `exec ovsdb-server ${join(dir, `${name}.db`)} --remote=punix:${dir}/${name}.sock ${remote} --unixctl=${dir}/${name}.ctl -vconsole:off ${identity && ovnTlsOptions(join(dir, identity))} ${more}`;
  servers.push(await startPrivateServer({ dir, command: ['/bin/sh', '-c', command], env: { OVS_RUNDIR: dir, OVN_RUNDIR: dir }, ready: () => accepts({ path: join(dir, `${name}.sock`) }), readyTimeoutMs: 20_000 }));
}

beforeAll(async () => {
  const [ours, theirs] = await Promise.all(['ca', 'other'].map((name) => Authority.open(join(dir, name))));
  await ours!.equip(join(dir, 'database'), database);
  for (const name of ['h1', 'h2']) await ours!.equip(join(dir, name), chassisWish(name));
  await theirs!.equip(join(dir, 'stranger'), chassisWish('h1'));
  [port, poser] = [await freePort(21200, 21249), await freePort(21250, 21299)];
  for (const [name, schema] of [['sb', 'sb'], ['nb', 'nb'], ['posing', 'sb']]) await run('ovsdb-tool', ['create', join(dir, `${name}.db`), `/usr/share/ovn/ovn-${schema}.ovsschema`]);
  await serve('sb', 'database', '--remote=db:OVN_Southbound,SB_Global,connections');
  await serve('nb', '', '');
  await serve('posing', 'h2', `--remote=pssl:${poser}:127.0.0.1`);
  await sbctl('init');
  await sbctl('set-connection', 'role=ovn-controller', `pssl:${port}:127.0.0.1`);
  servers.push(await startPrivateServer({
    dir, command: ['ovn-northd', `--ovnnb-db=unix:${dir}/nb.sock`, `--ovnsb-db=unix:${dir}/sb.sock`, `--unixctl=${dir}/northd.ctl`, '-vconsole:off'],
    env: { OVS_RUNDIR: dir, OVN_RUNDIR: dir }, ready: async () => (await sbctl('--bare', '--columns=name', 'find', 'RBAC_Role', 'name=ovn-controller')).includes('ovn-controller'), readyTimeoutMs: 20_000,
  }));
});
afterAll(async () => { for (const server of servers.reverse()) await server.stop(); rmSync(dir, { recursive: true, force: true }); });

/** A transaction by TLS as somebody; what the database, or the way to it, says. */
async function transact(identity: string, operations: object | object[], at = port): Promise<string> {
  const options = identity === '' ? [`--ca-cert=${join(dir, 'h1', IDENTITY_FILES.ca)}`] : ovnTlsOptions(join(dir, identity)).split(' ').map((word) => word.replaceAll("'", ''));
  return run('ovsdb-client', [...options, '--timeout=5', 'transact', `ssl:127.0.0.1:${at}`, JSON.stringify(['OVN_Southbound', ...[operations].flat()])])
    .then(({ stdout }) => stdout, (error: { stderr: string }) => `failed: ${error.stderr}`);
}
const insertChassis = (name: string) => ({ op: 'insert', table: 'Chassis', row: { name, hostname: name, encaps: ['named-uuid', 'e'] } });
const chassisNames = async () => (await sbctl('--bare', '--columns=name', 'list', 'Chassis')).split('\n').filter(Boolean).sort();

it('lets a chassis describe itself, and no other', async () => {
  await sbctl('chassis-add', 'h2', 'geneve', '127.0.0.2');
  const encap = { op: 'insert', table: 'Encap', 'uuid-name': 'e', row: { type: 'geneve', ip: '127.0.0.1', chassis_name: 'h1' } };
  expect(await transact('h1', [encap, insertChassis('h1')])).not.toMatch(/error|failed/);
  expect(await chassisNames()).toEqual(['h1', 'h2']);
  expect(await transact('h1', [{ ...encap, row: { ...encap.row, chassis_name: 'h3' } }, insertChassis('h3')])).toMatch(/permission error/);
  expect(await transact('h1', { op: 'delete', table: 'Chassis', where: [['name', '==', 'h2']] })).toMatch(/permission error/);
  expect(await transact('h1', { op: 'update', table: 'Chassis', where: [['name', '==', 'h2']], row: { hostname: 'h1' } })).toMatch(/permission error/);
  expect(await chassisNames()).toEqual(['h1', 'h2']);
});

it.each(['SB_Global', 'RBAC_Role', 'Connection', 'Logical_Flow'])('lets no chassis take %s away', async (table) => {
  // Something is there to be taken away.
  if (table === 'Logical_Flow') await sbctl('create', 'Logical_Flow', 'pipeline=ingress', 'table_id=0', 'priority=0', 'match=1', 'actions=drop');
  expect(await transact('h1', { op: 'delete', table, where: [] })).toMatch(/permission error/);
});

it.each([['nobody', ''], ["another cloud's authority", 'stranger']])('does not listen to one who is vouched for by %s', async (_whom, identity) => {
  expect(await transact(identity, { op: 'select', table: 'Chassis', where: [] })).toMatch(/^failed: .*(SSL|connect|terminat)/is);
});

it('is not posed as by a chassis', async () => {
  expect(await transact('h1', { op: 'select', table: 'Chassis', where: [] })).toContain('rows');
  expect(await transact('h1', { op: 'select', table: 'Chassis', where: [] }, poser)).toMatch(/^failed: .*(certificate|SSL|connect)/is);
});
