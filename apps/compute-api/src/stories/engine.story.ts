import { newHexId } from '@virga/core';
import { sql } from '@virga/db';
import { FakeAgent } from '@virga/testing';
import { startLab, type Lab } from './lab';

const body = (lab: { flavor: string; image: string }, more: Record<string, unknown> = {}) => ({ server: { name: 's', imageRef: lab.image, flavorRef: lab.flavor, networks: 'none', ...more } });

async function prepared(options: Parameters<typeof startLab>[0] = {}) {
  const lab = await startLab(options);
  return Object.assign(lab, { flavor: await lab.makeFlavor(), image: lab.images.add() });
}
type Prepared = Awaited<ReturnType<typeof prepared>>;
const create = async (lab: Prepared, more: Record<string, unknown> = {}) => (await lab.call('POST', '/v2.1/servers', body(lab, more))).body.server.id as string;
const lastCommand = (lab: Lab, id: string, verb: string) => lab.agents.flatMap(({ executed }) => executed).find((command) => command.instanceId === id && command.verb === verb);

describe('quota', () => {
  let lab: Prepared;
  beforeAll(async () => { lab = await prepared(); });
  afterAll(() => lab.stop());

  it('lets exactly as many through as it has, however many come at once', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => lab.call('POST', '/v2.1/servers', body(lab))));
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(10);
    const refused = answers.filter(({ status }) => status !== 202);
    expect(refused.every(({ status }) => status === 403)).toBe(true);
    expect(refused[0]!.body.forbidden.message).toBe('Quota exceeded for instances: Requested 1, but already used 10 of 10 instances');
    expect(await lab.usage()).toEqual({ booked: { instances: 10, cores: 10, ram: 640 }, counted: { instances: 10, cores: 10, ram: 640 } });
    const ids = answers.flatMap(({ body: answer }) => answer.server?.id ?? []) as string[];
    await Promise.all(ids.map((id) => lab.active(id)));
    await Promise.all(ids.map((id) => lab.call('DELETE', `/v2.1/servers/${id}`)));
    await Promise.all(ids.map((id) => lab.gone(id)));
    expect(await lab.usage()).toEqual({ booked: { instances: 0, cores: 0, ram: 0 }, counted: { instances: 0, cores: 0, ram: 0 } });
    expect(lab.placement.claims.size).toBe(0);
    expect(lab.agents[0]!.domains.size).toBe(0);
  });

  it('has deleted a server that came to no host when it answers', async () => {
    for (const { hostId } of lab.agents) lab.placement.hosts.get(hostId)!.enabled = false;
    const id = await create(lab);
    await lab.serverUntil(id, ({ status }) => status === 'ERROR');
    for (const { hostId } of lab.agents) lab.placement.hosts.get(hostId)!.enabled = true;
    expect((await lab.call('DELETE', `/v2.1/servers/${id}`)).status).toBe(204);
    expect((await lab.call('GET', `/v2.1/servers/${id}`)).status).toBe(404);
  });

  it('makes between min_count and max_count', async () => {
    const many = await lab.call('POST', '/v2.1/servers', body(lab, { min_count: 2, max_count: 20, return_reservation_id: true }));
    expect(many.status).toBe(202);
    expect(many.body).toEqual({ reservation_id: expect.stringMatching(/^r-[a-z0-9]{8}$/) });
    const { body: { servers } } = await lab.call('GET', `/v2.1/servers?reservation_id=${many.body.reservation_id}&sort_key=launch_index&sort_dir=asc`);
    expect(servers.map(({ name }: { name: string }) => name)).toEqual(Array.from({ length: 10 }, (_, index) => `s-${index + 1}`));
    expect((await lab.call('POST', '/v2.1/servers', body(lab, { min_count: 1 }))).status).toBe(403);
    await Promise.all(servers.map(({ id }: { id: string }) => lab.call('DELETE', `/v2.1/servers/${id}`)));
    await Promise.all(servers.map(({ id }: { id: string }) => lab.gone(id)));
  });
});

describe('conductors', () => {
  let lab: Prepared;
  beforeAll(async () => { lab = await prepared({ hosts: 2, conductor: { leaseMs: 1500 } }); });
  afterAll(() => lab.stop());

  it('take over from one that dies in the middle of a step', async () => {
    // The scheduler answers late: the conductor is killed while it waits.
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => { release = resolve; });
    const claim = lab.placement.claim.bind(lab.placement);
    const asked: string[] = [];
    lab.placement.claim = ((request: Parameters<typeof claim>[0]) => {
      asked.push(request.consumerId);
      return asked.length === 1 ? held.then(() => claim(request)) : claim(request);
    }) as unknown as typeof lab.placement.claim;
    const id = await create(lab);
    await lab.until(async () => asked.length, (count) => count === 1);
    const dead = lab.conductors[0]!;
    await dead.kill();
    await lab.addConductor();
    await lab.active(id);
    release();
    const operation = await lab.db.selectFrom('operations').selectAll().where('instance_id', '=', id).executeTakeFirstOrThrow();
    expect(operation).toMatchObject({ state: 'done', attempt: 1 });
    expect(operation.claim_epoch).toBeGreaterThan(1);
    expect([...lab.agents[0]!.executed, ...lab.agents[1]!.executed].filter(({ instanceId }) => instanceId === id).map(({ verb }) => verb)).toEqual(['build']);
    lab.placement.claim = claim;
    await lab.call('DELETE', `/v2.1/servers/${id}`);
    await lab.gone(id);
  });

  it('go on after all of them were away while the host worked', async () => {
    lab.agents[0]!.behaviour.build = 'silent';
    const id = await create(lab);
    await lab.until(async () => lastCommand(lab, id, 'build'), (command) => command !== undefined);
    for (const conductor of lab.conductors) await conductor.kill();
    delete lab.agents[0]!.behaviour.build;
    await expect(lab.agents[0]!.report(lastCommand(lab, id, 'build')!)).rejects.toThrow();
    await lab.addConductor();
    await lab.agents[0]!.report(lastCommand(lab, id, 'build')!);
    await lab.active(id);
    await lab.call('DELETE', `/v2.1/servers/${id}`);
    await lab.gone(id);
  });

  it('carry out what was accepted while there was none', async () => {
    for (const conductor of lab.conductors) await conductor.kill();
    const id = await create(lab);
    await lab.addConductor();
    await lab.active(id);
    await lab.call('DELETE', `/v2.1/servers/${id}`);
    await lab.gone(id);
  });

  it('work side by side and do each thing once', async () => {
    await lab.addConductor();
    await lab.addConductor();
    await lab.asAdmin('PUT', `/v2.1/os-quota-sets/${lab.projectId}`, { quota_set: { instances: -1, cores: -1, ram: -1 } });
    const ids = await Promise.all(Array.from({ length: 30 }, () => create(lab)));
    await Promise.all(ids.map((id) => lab.active(id)));
    const builds = lab.agents.flatMap(({ executed }) => executed).filter(({ verb, instanceId }) => verb === 'build' && ids.includes(instanceId));
    expect(new Set(builds.map(({ commandId }) => commandId)).size).toBe(30);
    await Promise.all(ids.map((id) => lab.call('DELETE', `/v2.1/servers/${id}`)));
    await Promise.all(ids.map((id) => lab.gone(id)));
    expect(lab.placement.claims.size).toBe(0);
    const { rows: [stuck] } = await sql<{ n: number }>`SELECT COUNT(*) AS n FROM operations WHERE state IN ('pending','running','parked')`.execute(lab.db);
    expect(stuck!.n).toBe(0);
  });

  it('do not wait for a dead host', async () => {
    const id = await create(lab);
    const { 'OS-EXT-SRV-ATTR:host': host } = await lab.active(id);
    const agent = lab.agents.find(({ hostname }) => hostname === host)!;
    agent.behaviour.stop = agent.behaviour.destroy = 'silent';
    await lab.db.updateTable('hosts').set({ lease_until: new Date(Date.now() - 60_000) }).where('id', '=', agent.hostId).execute();
    await lab.call('POST', `/v2.1/servers/${id}/action`, { 'os-stop': null });
    await lab.serverUntil(id, (server) => server['OS-EXT-STS:task_state'] === null);
    expect((await lab.asAdmin('GET', `/v2.1/servers/${id}`)).body.server).toMatchObject({ status: 'ACTIVE', host_status: 'UNKNOWN' });
    await lab.call('DELETE', `/v2.1/servers/${id}`);
    await lab.gone(id);
    expect(lab.placement.claims.size).toBe(0);
    // The host comes back with the guest still on it: it is taken away.
    delete agent.behaviour.stop;
    delete agent.behaviour.destroy;
    expect(agent.domains.has(id)).toBe(true);
    await lab.until(async () => { await agent.heartbeat(); return agent.domains.has(id); }, (there) => !there);
  });
});

describe('reports', () => {
  let lab: Prepared;
  beforeAll(async () => { lab = await prepared({ hosts: 1 }); });
  afterAll(() => lab.stop());

  it('may be repeated', async () => {
    const id = await create(lab);
    await lab.active(id);
    const command = lastCommand(lab, id, 'build')!;
    await lab.agents[0]!.report(command);
    await lab.call('POST', `/v2.1/servers/${id}/action`, { 'os-stop': null });
    await lab.serverUntil(id, ({ status }) => status === 'SHUTOFF');
    await lab.agents[0]!.report(command);
    expect((await lab.call('GET', `/v2.1/servers/${id}`)).body.server.status).toBe('SHUTOFF');
  });

  it('are not waited for once a delete has superseded who asked for them', async () => {
    lab.agents[0]!.behaviour.build = 'silent';
    const id = await create(lab);
    await lab.until(async () => lastCommand(lab, id, 'build'), (command) => command !== undefined);
    await lab.call('DELETE', `/v2.1/servers/${id}`);
    await lab.gone(id);
    delete lab.agents[0]!.behaviour.build;
    const commands = () => lab.db.selectFrom('commands').select(['verb', 'state']).where('instance_id', '=', id).orderBy('created_at').execute();
    expect(await commands()).toEqual([{ verb: 'build', state: 'expired' }, { verb: 'destroy', state: 'done' }]);
    // A report that comes all the same changes nothing of the server.
    await lab.agents[0]!.report(lastCommand(lab, id, 'build')!);
    expect((await lab.asAdmin('GET', `/v2.1/servers/${id}`)).status).toBe(404);
    lab.agents[0]!.domains.delete(id);
  });

  it('count only from the host that was asked', async () => {
    lab.agents[0]!.behaviour.build = 'silent';
    const id = await create(lab);
    await lab.until(async () => lastCommand(lab, id, 'build'), (command) => command !== undefined);
    const command = lastCommand(lab, id, 'build')!;
    const strangeId = newHexId();
    const stranger = new FakeAgent(lab.broker.connect(`agent-${strangeId}`), strangeId, 'stranger');
    const report = { commandId: command.commandId, operationId: command.operationId, instanceId: id, generation: command.generation, ok: true };
    // In another's name: refused. In its own name: not used.
    await expect(stranger.client.report({ ...report, hostId: lab.agents[0]!.hostId })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(stranger.client.report({ ...report, hostId: stranger.hostId })).resolves.toEqual({});
    await expect(lab.agents[0]!.client.report({ ...report, hostId: lab.agents[0]!.hostId, generation: 99 })).resolves.toEqual({});
    await expect(lab.agents[0]!.client.report({ ...report, hostId: lab.agents[0]!.hostId, commandId: newHexId() })).resolves.toEqual({});
    expect((await lab.call('GET', `/v2.1/servers/${id}`)).body.server.status).toBe('BUILD');
    delete lab.agents[0]!.behaviour.build;
    await lab.agents[0]!.report(command);
    await lab.active(id);
    await stranger.close();
  });
});
