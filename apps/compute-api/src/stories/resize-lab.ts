import { silentLogger } from '@virga/core';
import type { FakeAgent } from '@virga/testing';
import { INVARIANTS } from '../verify/invariants';
import { verifyCloud } from '../verify/verify-cloud';
import { startLab, type Lab } from './lab';

/** What stories about servers of another size or place have in common. Whoever imports this has the cloud, and a new server for each test that must leave nothing behind. */
export let lab: Lab;
export let small: string;
export let large: string;
export let net: string;
export let image: string;
export let server: string;
beforeAll(async () => {
  lab = await startLab({ hosts: 3, conductor: { leaseMs: 1500, sweepMs: 100, reconcileMs: 0, resize: { sameHost: false } } });
  small = await lab.makeFlavor('small');
  large = await lab.makeFlavor('large', { ram: 128, vcpus: 2, disk: 2 });
  net = lab.network.addNetwork('net1');
  image = lab.images.add();
});
afterAll(() => lab.stop());

export const row = (id = server) => lab.db.selectFrom('instances').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
export const agentOf = async (id = server) => { const { host } = await row(id); return lab.agents.find(({ hostname }) => hostname === host)!; };
export const act = (body: Record<string, unknown>, options = {}) => lab.call('POST', `/v2.1/servers/${server}/action`, body, options);
export const migrate = (argument: unknown = null, options = {}) => lab.asAdmin('POST', `/v2.1/servers/${server}/action`, { migrate: argument }, options);
export const resize = (flavorRef = large) => act({ resize: { flavorRef } });
export const newest = async (id = server) => (await lab.asAdmin('GET', `/v2.1/os-migrations?instance_uuid=${id}`)).body.migrations[0];
export const settled = () => lab.serverUntil(server, (seen) => seen['OS-EXT-STS:task_state'] === null);
export const reaches = (status: string) => lab.serverUntil(server, (seen) => seen.status === status && seen['OS-EXT-STS:task_state'] === null);
export const heal = () => { for (const agent of lab.agents) for (const verb of Object.keys(agent.behaviour)) delete agent.behaviour[verb]; };
export const all = (verb: string, behaviour: FakeAgent['behaviour'][string]) => { for (const agent of lab.agents) agent.behaviour[verb] = behaviour; };
export const asked = (verb: string) => lab.until(async () => lab.agents.flatMap((agent) => agent.executed.filter((command) => command.verb === verb && command.instanceId === server).map((command) => ({ agent, command }))), (seen) => seen.length > 0).then((seen) => seen.at(-1)!);
export async function create(flavorRef = small): Promise<string> {
  const { body } = await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: image, flavorRef, networks: [{ uuid: net }] } });
  await lab.active(body.server.id);
  return body.server.id as string;
}
export const look = () => verifyCloud({ db: lab.db, bus: lab.broker.connect('conductor'), logger: silentLogger, wake: () => undefined, wakeRelay: () => undefined }, INVARIANTS, { fix: false, pauseMs: 20 });

/** Exactly one guest, one claim, one binding and one booking, all where and as large as the books say; nothing kept aside. */
export async function expectOnePlace(vmState = 'active') {
  const { host_id: hostId, host, vm_state: state, flavor_json: flavor } = await row();
  const { vcpus, ram, disk } = JSON.parse(flavor);
  expect(state).toBe(vmState);
  expect(lab.agents.filter(({ domains }) => domains.has(server)).map(({ hostname }) => hostname)).toEqual([host]);
  expect(lab.agents.filter(({ aside }) => aside.has(server))).toEqual([]);
  expect([...lab.placement.claims].map(([consumer, claim]) => [consumer, claim])).toEqual([[server, { hostId, resources: { vcpus, memoryMb: ram, diskGb: disk } }]]);
  expect([...lab.network.ports.values()].map((port) => [port.hostname, port.nextHostname])).toEqual([[host, '']]);
  expect(await lab.usage()).toEqual({ booked: { instances: 1, cores: vcpus, ram }, counted: { instances: 1, cores: vcpus, ram } });
  expect((await look()).violations).toEqual([]);
}

/** Another server, of that size, in the place of the test's. */
export async function replaceServer(flavorRef: string): Promise<void> {
  await lab.call('DELETE', `/v2.1/servers/${server}`);
  await lab.gone(server);
  server = await create(flavorRef);
}

beforeEach(async () => { server = await create(); });
afterEach(async () => {
  heal();
  await lab.call('DELETE', `/v2.1/servers/${server}`);
  await lab.gone(server);
  expect(lab.placement.claims.size).toBe(0);
  expect(lab.agents.flatMap(({ domains, aside }) => [...domains.keys(), ...aside.keys()])).toEqual([]);
  expect(await lab.usage()).toMatchObject({ booked: { instances: 0, cores: 0, ram: 0 } });
});

export const VERBS = ['prepareMove', 'stop', 'putAside', 'receiveDisks', 'startMoved'] as const;
