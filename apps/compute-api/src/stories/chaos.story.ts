import { sql } from '@virga/db';
import type { FakeAgent } from '@virga/testing';
import { LIVE_STATES } from '../operations/operation';
import { startLab } from './lab';

/** Numbers from a seed (xorshift), so that a failing schedule can be run again. */
function seeded(seed: number) {
  let state = seed | 0 || 1;
  const next = () => { state ^= state << 13; state ^= state >>> 17; state ^= state << 5; return (state >>> 0) / 2 ** 32; };
  return { next, pick: <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)]! };
}

const SEED = Number(process.env.CHAOS_SEED ?? 20261120);
const ROUNDS = 60;

/**
 * Users, failing and silent hosts, conductors that die in the middle: whatever happens, in the end nothing is stuck,
 * nothing is left over, and the books equal the rows.
 */
it(`leaves nothing behind (seed ${SEED})`, async () => {
  const random = seeded(SEED);
  const lab = await startLab({ hosts: 3, conductor: { leaseMs: 1200, sweepMs: 100, deadHostGraceMs: 300 } });
  const flavor = await lab.makeFlavor();
  const image = lab.images.add();
  const net = lab.network.addNetwork('net1');
  await lab.asAdmin('PUT', `/v2.1/os-quota-sets/${lab.projectId}`, { quota_set: { instances: 40, cores: -1, ram: -1 } });
  const ids: string[] = [];
  const silent = new Set<FakeAgent>();

  const moves: Record<string, () => Promise<unknown>> = {
    create: async () => {
      const { status, body } = await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: image, flavorRef: flavor, networks: random.next() < 0.5 ? 'none' : [{ uuid: net }] } });
      expect([202, 403]).toContain(status);
      if (status === 202) ids.push(body.server.id as string);
    },
    remove: async () => { if (ids.length > 0) expect([204, 404]).toContain((await lab.call('DELETE', `/v2.1/servers/${random.pick(ids)}`)).status); },
    act: async () => {
      if (ids.length === 0) return;
      const body = random.pick([{ 'os-stop': null }, { 'os-start': null }, { reboot: { type: 'HARD' } }, { pause: null }, { unpause: null }]);
      expect([202, 404, 409]).toContain((await lab.call('POST', `/v2.1/servers/${random.pick(ids)}/action`, body)).status);
    },
    failHost: async () => { random.pick(lab.agents).behaviour.build = { fail: 'out of luck' }; },
    muteHost: async () => { const agent = random.pick(lab.agents); silent.add(agent); for (const verb of ['build', 'stop', 'destroy', 'reboot']) agent.behaviour[verb] = 'silent'; },
    healHost: async () => {
      const agent = random.pick(lab.agents);
      for (const verb of Object.keys(agent.behaviour)) delete agent.behaviour[verb];
      await resend(agent);
    },
    loseLease: async () => { await lab.db.updateTable('hosts').set({ lease_until: sql<Date>`NOW(3) - INTERVAL 1 MINUTE` }).where('id', '=', random.pick(lab.agents).hostId).execute(); },
    heartbeat: async () => { await random.pick(lab.agents).heartbeat().catch(() => undefined); },
    killConductor: async () => {
      const alive = lab.conductors.filter((conductor) => !dead.has(conductor));
      const victim = random.pick(alive);
      dead.add(victim);
      await victim.kill();
      await lab.addConductor();
    },
  };
  const dead = new Set<(typeof lab.conductors)[number]>();
  /** What an agent does after it could not: reports what it was asked, from its journal or by doing it now. */
  const resend = async (agent: FakeAgent) => { for (const command of agent.executed) await agent.report(command).catch(() => undefined); };

  const names = ['create', 'create', 'create', 'remove', 'act', 'act', 'act', 'failHost', 'muteHost', 'healHost', 'healHost', 'loseLease', 'heartbeat', 'heartbeat', 'killConductor'];
  await lab.addConductor();
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all([random.pick(names), random.pick(names)].map((name) => moves[name]!()));
    await new Promise((resolve) => setTimeout(resolve, Math.floor(random.next() * 60)));
  }

  // The storm is over: hosts answer again.
  for (const agent of lab.agents) { for (const verb of Object.keys(agent.behaviour)) delete agent.behaviour[verb]; }
  await lab.until(async () => {
    for (const agent of lab.agents) { await agent.heartbeat(); await resend(agent); }
    return lab.db.selectFrom('operations').select(['id', 'kind', 'state', 'phase', 'step', 'owner', 'due_at']).where('state', 'in', [...LIVE_STATES]).execute();
  }, (live) => live.length === 0);
  // What hosts still hold of deleted or moved instances is taken away level-triggered.
  const running = () => lab.agents.flatMap((agent) => [...agent.domains.keys()].map((id) => `${id} ${agent.hostId}`)).sort();
  const booked = async () => (await lab.db.selectFrom('instances').select(['id', 'host_id']).where('deleted_at', 'is', null).where('host_id', 'is not', null).execute()).map(({ id, host_id: host }) => `${id} ${host}`).sort();
  await lab.until(async () => {
    for (const agent of lab.agents) await agent.heartbeat();
    return { running: running(), booked: await booked() };
  }, (seen) => JSON.stringify(seen.running) === JSON.stringify(seen.booked));

  const rows = await lab.db.selectFrom('instances').selectAll().where('deleted_at', 'is', null).execute();
  expect(rows.filter(({ task_state: task }) => task !== null)).toEqual([]);
  expect(rows.filter(({ vm_state: state }) => !['active', 'stopped', 'paused', 'error'].includes(state))).toEqual([]);
  const onHosts = rows.filter(({ host_id: host }) => host !== null);
  expect([...lab.placement.claims].map(([id, { hostId }]) => `${id} ${hostId}`).sort()).toEqual(onHosts.map(({ id, host_id: host }) => `${id} ${host}`).sort());
  const withPorts = new Set([...lab.network.ports.values()].map(({ instanceId }) => instanceId));
  expect([...withPorts].sort()).toEqual(onHosts.filter(({ requested_networks_json: networks }) => networks !== '[]').map(({ id }) => id).sort());
  const usage = await lab.usage();
  expect(usage.booked).toEqual(usage.counted);
  expect(await lab.db.selectFrom('outbox').select('id').execute()).toEqual([]);

  // And everything that is left can be deleted.
  for (const { id } of rows) expect((await lab.call('DELETE', `/v2.1/servers/${id}`)).status).toBe(204);
  for (const { id } of rows) await lab.gone(id);
  expect(lab.placement.claims.size).toBe(0);
  expect(lab.network.ports.size).toBe(0);
  expect(lab.agents.every(({ domains }) => domains.size === 0)).toBe(true);
  expect((await lab.usage()).booked).toEqual({ instances: 0, cores: 0, ram: 0 });
  await lab.stop();
});
