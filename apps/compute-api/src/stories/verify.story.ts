import { newUuid, silentLogger } from '@virga/core';
import { sql } from '@virga/db';
import { dbNow } from '../db/time';
import { takeLease } from '../db/take-lease';
import { INVARIANTS } from '../verify/invariants';
import type { RepairContext } from '../verify/invariant';
import { Reconciler } from '../verify/reconciler';
import { verifyCloud } from '../verify/verify-cloud';
import { startLab, type Lab } from './lab';

/** Each invariant is broken on purpose once: what cannot be found is not looked for. */
let lab: Lab;
let context: RepairContext;
let id: string;
beforeAll(async () => {
  lab = await startLab({ hosts: 2, conductor: { reconcileMs: 0 } });
  const bus = lab.broker.connect('conductor');
  context = { db: lab.db, bus, logger: silentLogger, wake: (operationId) => lab.conductors[0]!.engine.wake(operationId), wakeRelay: () => undefined };
  const [flavor, image, net] = [await lab.makeFlavor(), lab.images.add(), lab.network.addNetwork('net1')];
  const { body } = await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: image, flavorRef: flavor, networks: [{ uuid: net }] } });
  id = body.server.id as string;
  await lab.active(id);
});
afterAll(() => lab.stop());

const look = (fix = false) => verifyCloud(context, INVARIANTS, { fix, pauseMs: 20 });
const found = async () => (await look()).violations.map(({ invariant }) => invariant);
const host = () => lab.db.selectFrom('instances').select(['host_id', 'host']).where('id', '=', id).executeTakeFirstOrThrow();
const agentOf = async () => { const { host_id: hostId } = await host(); return lab.agents.find((agent) => agent.hostId === hostId)!; };

it('finds nothing in a cloud that is as it must be', async () => {
  expect(await look()).toEqual(expect.objectContaining({ clean: true, violations: [], unchecked: [], checked: INVARIANTS.length }));
});

it('says what it could not look at, and is then not clean', async () => {
  const silent = newUuid();
  await sql`INSERT INTO hosts (id, hostname, availability_zone, facts_json, usage_json, sequence, lease_until, seen_at, previous_seen_at, created_at)
    VALUES (${silent}, 'silent', 'nova', '{}', '{}', 0, NOW(3) + INTERVAL 1 HOUR, NOW(3), NOW(3), NOW(3))`.execute(lab.db);
  const report = await look();
  expect(report.clean).toBe(false);
  expect(report.unchecked.map(({ invariant }) => invariant)).toContain('holding-belongs');
  await lab.db.deleteFrom('hosts').where('id', '=', silent).execute();
});

/** Breaks the cloud in one way; `after` says how it is when it was repaired. */
const plants: Record<string, { plant: () => Promise<unknown>; after: () => Promise<unknown>; expected: unknown }> = {
  'task-state-has-operation': {
    plant: () => lab.db.updateTable('instances').set({ task_state: 'powering-off' }).where('id', '=', id).execute(),
    after: async () => (await lab.asAdmin('GET', `/v2.1/servers/${id}`)).body.server['OS-EXT-STS:task_state'],
    expected: null,
  },
  'commands-have-operation': {
    plant: async () => {
      const { id: operationId } = await lab.db.selectFrom('operations').select('id').where('instance_id', '=', id).where('state', '=', 'done').executeTakeFirstOrThrow();
      await lab.db.insertInto('commands').values({
        id: newUuid(), operation_id: operationId, instance_id: id, host_id: (await host()).host_id!, phase: 'do', step: 'planted', attempt: 1, generation: 1, verb: 'stop', args_json: '{}',
        state: 'sent', report_json: null, deadline: dbNow, created_at: dbNow, finished_at: null,
      }).execute();
    },
    after: () => lab.db.selectFrom('commands').select('state').where('step', '=', 'planted').execute(),
    expected: [{ state: 'expired' }],
  },
  'quota-equals-rows': {
    plant: () => lab.db.updateTable('quota_usages').set({ instances: 7 }).where('project_id', '=', lab.projectId).execute(),
    after: async () => (await lab.usage()).booked,
    expected: { instances: 1, cores: 1, ram: 64 },
  },
  'allocation-belongs': {
    plant: async () => lab.placement.claims.set(newUuid(), { hostId: (await host()).host_id!, resources: { vcpus: 1, memoryMb: 1, diskGb: 1 } }),
    after: async () => lab.placement.claims.size,
    expected: 1,
  },
  'instance-has-allocation': {
    plant: async () => lab.placement.claims.delete(id),
    after: async () => lab.placement.claims.get(id)?.resources,
    expected: { vcpus: 1, memoryMb: 64, diskGb: 1 },
  },
  'port-belongs': {
    plant: async () => {
      const [port] = lab.network.portsOf(id);
      const portId = newUuid();
      lab.network.ports.set(portId, { ...lab.network.ports.get(port!.portId)!, portId, instanceId: newUuid() });
    },
    after: async () => lab.network.ports.size,
    expected: 1,
  },
  'port-is-bound-to-host': {
    plant: async () => { for (const port of lab.network.ports.values()) port.hostname = 'elsewhere'; },
    after: async () => [...lab.network.ports.values()].map(({ hostname }) => hostname).join() === (await host()).host,
    expected: true,
  },
  'ovn-equals-tables': { plant: async () => lab.network.audit.differing.push('port/x'), after: async () => lab.network.audit.differing, expected: [] },
};

describe.each(Object.entries(plants))('%s', (name, { plant, after, expected }) => {
  it('is found when it is broken, and repaired', async () => {
    await plant();
    expect(await found()).toContain(name);
    const report = await look(true);
    expect(report).toMatchObject({ clean: true, repaired: expect.arrayContaining([expect.objectContaining({ invariant: name })]) });
    expect(await after()).toEqual(expected);
    expect(await found()).toEqual([]);
  });
});

describe('machines on hosts', () => {
  it('are missed where they should be', async () => {
    const agent = await agentOf();
    agent.domains.delete(id);
    expect(await found()).toEqual(['domain-is-on-its-host']);
    agent.domains.set(id, 1);
    expect(await found()).toEqual([]);
  });

  it('are found on a second host, and the one that does not belong there is taken away', async () => {
    const agent = await agentOf();
    const other = lab.agents.find((candidate) => candidate !== agent)!;
    other.domains.set(id, 1);
    expect((await found()).sort()).toEqual(['guest-is-on-one-host', 'holding-belongs']);
    expect((await look(true)).clean).toBe(true);
    expect([agent.domains.has(id), other.domains.has(id)]).toEqual([true, false]);
  });

  it('that are in no books are told and left alone', async () => {
    const agent = await agentOf();
    const stranger = newUuid();
    agent.domains.set(stranger, 1);
    expect((await look(true)).violations).toEqual([expect.objectContaining({ invariant: 'holding-belongs', sentence: expect.stringContaining('is in no books') as string })]);
    expect(agent.domains.has(stranger)).toBe(true);
    agent.domains.delete(stranger);
  });
});

it('an operation that is still at a step whose deadline has passed is found, and made due', async () => {
  const operation = newUuid();
  await lab.db.insertInto('operations').values({
    id: operation, kind: 'reap-instance', instance_id: newUuid(), request_id: 'planted', actor_json: '{}', args_json: JSON.stringify({ hostId: (await agentOf()).hostId }), data_json: '{}',
    state: 'parked', generation: 1, owner: null, lease_until: null, due_at: sql<Date>`NOW(3) + INTERVAL 1 HOUR`, waiting_command: null, error_json: null, created_at: dbNow, finished_at: null,
  }).execute();
  // Waiting is no breach; waiting beyond the step's end is.
  expect(await found()).toEqual([]);
  await lab.db.insertInto('operation_steps').values({
    operation_id: operation, phase: 'do', step: 'destroy_on_host', attempt: 1, host: null, started_at: dbNow, deadline: sql<Date>`NOW(3) - INTERVAL 10 MINUTE`, finished_at: null, result: null, details: null,
  }).execute();
  expect(await found()).toEqual(['operations-advance']);
  await look(true);
  await lab.until(() => lab.db.selectFrom('operations').select('state').where('id', '=', operation).executeTakeFirstOrThrow(), ({ state }) => state === 'done' || state === 'failed');
  expect(await found()).toEqual([]);
});

it('placement books that differ from the claims are found', async () => {
  const honest = lab.placement.usedOn.bind(lab.placement);
  lab.placement.usedOn = (hostId) => ({ ...honest(hostId), vcpus: 9 });
  expect(await found()).toEqual(['used-equals-allocations', 'used-equals-allocations']);
  lab.placement.usedOn = honest;
  expect(await found()).toEqual([]);
});

it('messages that are not sent are found', async () => {
  const blocked = newUuid();
  await lab.db.insertInto('outbox').values({ id: blocked, topic: 'nobody-sends-this', target: null, payload: '{}', created_at: new Date(Date.now() - 120_000) }).execute();
  expect(await found()).toEqual(['outbox-is-sent']);
  await lab.db.deleteFrom('outbox').where('id', '=', blocked).execute();
});

describe('the reconciler', () => {
  it('repairs what it has seen in two passes, and not before', async () => {
    const repaired: string[] = [];
    const reconciler = new Reconciler({ ...context, invariants: INVARIANTS, events: { passed: () => undefined, repaired: (invariant) => repaired.push(invariant) } });
    await lab.db.updateTable('quota_usages').set({ cores: 99 }).where('project_id', '=', lab.projectId).execute();
    await reconciler.pass();
    expect(repaired).toEqual([]);
    await reconciler.pass();
    expect(repaired).toEqual(['quota-equals-rows']);
    expect((await lab.usage()).booked).toEqual((await lab.usage()).counted);
  });

  it('leaves to an operation what it works on', async () => {
    const agent = await agentOf();
    agent.behaviour.stop = 'silent';
    await lab.call('POST', `/v2.1/servers/${id}/action`, { 'os-stop': null });
    await lab.until(async () => agent.executed.some(({ verb }) => verb === 'stop'), Boolean);
    expect(await found()).toEqual([]);
    delete agent.behaviour.stop;
    await agent.report(agent.executed.find(({ verb }) => verb === 'stop')!);
    await lab.serverUntil(id, ({ status }) => status === 'SHUTOFF');
  });

  it('is one conductor\'s work at a time; another takes it over when the lease has run out', async () => {
    expect(await takeLease(lab.db, 'story', 'a', 60_000)).toBe(true);
    expect(await takeLease(lab.db, 'story', 'b', 60_000)).toBe(false);
    expect(await takeLease(lab.db, 'story', 'a', 60_000)).toBe(true);
    await lab.db.updateTable('leases').set({ lease_until: sql<Date>`NOW(3) - INTERVAL 1 SECOND` }).where('name', '=', 'story').execute();
    expect(await takeLease(lab.db, 'story', 'b', 60_000)).toBe(true);
  });
});
