import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@virga/core';
import { sql } from '@virga/db';
import type { FakeAgent } from '@virga/testing';
import { fenceByCommand } from '../evacuation/host-is-off';
import { INVARIANTS } from '../verify/invariants';
import { verifyCloud } from '../verify/verify-cloud';
import { startLab, type Lab } from './lab';

const dir = mkdtempSync(join(tmpdir(), 'virga-fence-'));
let lab: Lab;
let flavor: string;
let net: string;
let image: string;
let server: string;
let source: FakeAgent;
beforeAll(async () => {
  lab = await startLab({ hosts: 3, conductor: { sweepMs: 100, reconcileMs: 0 } });
  flavor = await lab.makeFlavor();
  net = lab.network.addNetwork('net1');
  image = lab.images.add();
});
afterAll(async () => { await lab.stop(); rmSync(dir, { recursive: true }); });

const row = () => lab.db.selectFrom('instances').selectAll().where('id', '=', server).executeTakeFirstOrThrow();
const evacuate = (body: Record<string, unknown> = {}, options = {}) => lab.asAdmin('POST', `/v2.1/servers/${server}/action`, { evacuate: body }, { version: '2.95', ...options });
const newest = async () => (await lab.asAdmin('GET', `/v2.1/os-migrations?instance_uuid=${server}`)).body.migrations[0];
const ended = (status: string) => lab.until(newest, (migration) => migration?.status === status);
const settled = () => lab.serverUntil(server, (seen) => seen['OS-EXT-STS:task_state'] === null);
async function service(forcedDown: boolean): Promise<void> {
  const [{ id }] = (await lab.asAdmin('GET', `/v2.1/os-services?binary=nova-compute&host=${source.hostname}`)).body.services;
  expect((await lab.asAdmin('PUT', `/v2.1/os-services/${id}`, { forced_down: forcedDown })).status).toBe(200);
}
const goSilent = (seconds: number) => lab.db.updateTable('hosts').set({ lease_until: sql<Date>`NOW(3) - INTERVAL ${sql.lit(seconds)} SECOND` }).where('id', '=', source.hostId).execute();
const look = () => verifyCloud({ db: lab.db, bus: lab.broker.connect('conductor'), logger: silentLogger, wake: () => undefined, wakeRelay: () => undefined }, INVARIANTS, { fix: false, pauseMs: 20 });

beforeEach(async () => {
  const { body } = await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: image, flavorRef: flavor, networks: [{ uuid: net }] } });
  server = body.server.id as string;
  const seen = await lab.active(server);
  source = lab.agents.find(({ hostname }) => hostname === seen['OS-EXT-SRV-ATTR:host'])!;
});
afterEach(async () => {
  for (const agent of lab.agents) for (const verb of Object.keys(agent.behaviour)) delete agent.behaviour[verb];
  await service(false);
  for (const agent of lab.agents) await agent.heartbeat();
  await lab.call('DELETE', `/v2.1/servers/${server}`);
  await lab.gone(server);
  for (const agent of lab.agents) agent.domains.clear();
  expect(lab.placement.claims.size).toBe(0);
});

it('brings a server of a dead host up elsewhere with its ports; the old host, when it is back, has its copy taken away', async () => {
  await service(true);
  const address = [...lab.network.ports.values()][0]!.fixedIps;
  const answer = await evacuate();
  expect([answer.status, answer.body]).toEqual([200, null]);
  await ended('done');
  const seen = await settled();
  expect(seen).toMatchObject({ 'status': 'SHUTOFF', 'OS-EXT-STS:power_state': 4 });
  expect(seen['OS-EXT-SRV-ATTR:host']).not.toBe(source.hostname);
  expect([...lab.network.ports.values()].map(({ hostname, fixedIps }) => [hostname, fixedIps])).toEqual([[seen['OS-EXT-SRV-ATTR:host'], address]]);
  expect([...lab.placement.claims].map(([consumer, { hostId }]) => [consumer, hostId])).toEqual([[server, (await row()).host_id]]);
  expect(await newest()).toMatchObject({ migration_type: 'evacuation', source_compute: source.hostname, dest_compute: seen['OS-EXT-SRV-ATTR:host'] });
  // What the old host asks before it starts anything is answered with no.
  await expect(source.client.instanceMetadata({ hostId: source.hostId, instanceId: server })).rejects.toMatchObject({ kind: 'notFound' });
  await service(false);
  await lab.until(async () => { await source.heartbeat(); return source.domains.has(server); }, (there) => !there);
  expect((await look()).violations).toEqual([]);
});

it('has it run again in the older versions, and off if it was off', async () => {
  await service(true);
  expect((await evacuate({ onSharedStorage: false, adminPass: 'secret' }, { version: '2.13' })).body).toEqual({ adminPass: 'secret' });
  await ended('done');
  expect((await settled()).status).toBe('ACTIVE');
});

it('goes to a named host', async () => {
  await service(true);
  const target = lab.agents.filter((agent) => agent !== source).at(-1)!;
  expect((await evacuate({ host: target.hostname }, { version: '2.68' })).status).toBe(200);
  await ended('done');
  expect(await settled()).toMatchObject({ 'status': 'ACTIVE', 'OS-EXT-SRV-ATTR:host': target.hostname });
});

it('is refused while the host is in use, and for bodies and hosts that will not do', async () => {
  expect((await evacuate()).body).toEqual({ badRequest: { code: 400, message: `Compute service of ${source.hostname} is still in use.` } });
  await service(true);
  for (const [body, version, status] of [
    [{ host: source.hostname }, '2.95', 400], [{ host: 'nosuch' }, '2.95', 404], [{ host: 'a/b' }, '2.95', 400], [{ force: true }, '2.29', 400], [{ force: true, host: 'host1' }, '2.68', 400],
    [{}, '2.13', 400], [{ onSharedStorage: true }, '2.13', 400], [{ onSharedStorage: false }, '2.14', 400], [{ nosuch: 1 }, '2.95', 400],
  ] as const) expect([body, (await evacuate(body, { version })).status]).toEqual([body, status]);
  expect((await lab.call('POST', `/v2.1/servers/${server}/action`, { evacuate: {} })).status).toBe(403);
  expect((await row()).task_state).toBeNull();
});

it('is not begun while nobody knows whether the guests of a silent host are off', async () => {
  await goSilent(60);
  expect((await evacuate()).status).toBe(200);
  await ended('failed');
  const fault = await lab.db.selectFrom('instance_faults').select('message').where('instance_id', '=', server).executeTakeFirstOrThrow();
  expect(fault.message).toBe(`Host ${source.hostname} is silent, and nobody knows whether its guests are off: fence it, and force its compute service down.`);
  expect((await settled())['OS-EXT-SRV-ATTR:host']).toBe(source.hostname);
  // A host that fences itself is off by now.
  await sql`UPDATE hosts SET facts_json = JSON_SET(facts_json, '$.selfFenceSeconds', 30) WHERE id = ${source.hostId}`.execute(lab.db);
  await evacuate();
  await ended('done');
});

it('has the host fenced first, and takes nothing but exit code 0 for an answer', async () => {
  const told = join(dir, 'told');
  const command = join(dir, 'fence');
  const script = (code: number) => { writeFileSync(command, `#!/bin/sh\necho "$@" >> ${told}\necho no power switch >&2\nexit ${code}\n`); chmodSync(command, 0o755); };
  for (const conductor of lab.conductors.splice(0)) await conductor.stop();
  await lab.addConductor({ fence: fenceByCommand(command) });
  script(1);
  await goSilent(60);
  await evacuate();
  await ended('failed');
  expect((await lab.db.selectFrom('instance_faults').select('message').where('instance_id', '=', server).executeTakeFirstOrThrow()).message).toBe(`Host ${source.hostname} could not be fenced: no power switch`);
  await settled();
  script(0);
  await evacuate();
  await ended('done');
  expect(readFileSync(told, 'utf8').trim().split('\n')).toEqual([source.hostname, source.hostname]);
  for (const conductor of lab.conductors.splice(0)) await conductor.stop();
  await lab.addConductor();
});

it('takes all back when no host can build it, and tries another one first', async () => {
  await service(true);
  const others = lab.agents.filter((agent) => agent !== source);
  for (const agent of others) agent.behaviour.build = { fail: 'no luck' };
  await evacuate();
  await ended('failed');
  const seen = await settled();
  expect(seen['OS-EXT-SRV-ATTR:host']).toBe(source.hostname);
  expect([...lab.placement.claims].map(([consumer, { hostId }]) => [consumer, hostId])).toEqual([[server, source.hostId]]);
  expect([...lab.network.ports.values()].map(({ hostname }) => hostname)).toEqual([source.hostname]);
  expect(others.filter(({ domains }) => domains.has(server))).toEqual([]);
  delete others[1]!.behaviour.build;
  await evacuate();
  await ended('done');
  expect((await settled())['OS-EXT-SRV-ATTR:host']).toBe(others[1]!.hostname);
});

it.each(['build', 'stop'])('goes on after the death of a conductor: %s', async (verb) => {
  await service(true);
  for (const agent of lab.agents) agent.behaviour[verb] = 'silent';
  await evacuate();
  const { agent, command } = await lab.until(async () => lab.agents.filter((one) => one !== source).flatMap((one) => one.executed.filter((command) => command.verb === verb && command.instanceId === server)
    .map((command) => ({ agent: one, command })))[0], (seen) => seen !== undefined).then((seen) => seen!);
  for (const conductor of lab.conductors.splice(0)) await conductor.kill();
  delete agent.behaviour[verb];
  await lab.addConductor();
  await agent.report(command, 'ok');
  await ended('done');
  expect((await settled())['OS-EXT-SRV-ATTR:host']).toBe(agent.hostname);
});
