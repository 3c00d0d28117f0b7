import { newUuid } from '@virga/core';
import { startLab, type Lab } from './lab';

describe('a server\'s life', () => {
  let lab: Lab;
  let flavor: string;
  let image: string;
  let net: string;
  beforeAll(async () => {
    lab = await startLab({ hosts: 2 });
    flavor = await lab.makeFlavor();
    image = lab.images.add();
    net = lab.network.addNetwork('net1');
  });
  afterAll(() => lab.stop());

  const create = (more: Record<string, unknown> = {}, options = {}) =>
    lab.call('POST', '/v2.1/servers', { server: { name: 's1', imageRef: image, flavorRef: flavor, networks: [{ uuid: net }], ...more } }, options);

  it('boots to ACTIVE and is gone after delete', async () => {
    const made = await create({ metadata: { a: 'b' } });
    expect(made.status).toBe(202);
    const { id } = made.body.server;
    expect(made.headers.location).toBe(`${lab.base}/v2.1/servers/${id}`);
    expect(made.body.server).toEqual({
      id, links: [{ rel: 'self', href: `${lab.base}/v2.1/servers/${id}` }, { rel: 'bookmark', href: `${lab.base}/servers/${id}` }],
      'OS-DCF:diskConfig': 'MANUAL', security_groups: [{ name: 'default' }], adminPass: expect.stringMatching(/^[A-Za-z0-9]{12}$/),
    });
    const server = await lab.active(id);
    expect(server).toMatchObject({
      name: 's1', 'OS-EXT-STS:vm_state': 'active', 'OS-EXT-STS:task_state': null, 'OS-EXT-STS:power_state': 1, metadata: { a: 'b' },
      'OS-EXT-SRV-ATTR:host': 'host1', 'OS-EXT-AZ:availability_zone': 'nova', host_status: 'UP',
    });
    expect(lab.agents[0]!.domains.get(id)).toBe(1);
    expect(lab.network.portsOf(id)).toHaveLength(1);
    const list = await lab.call('GET', '/v2.1/servers');
    expect(list.body.servers.map((row: { id: string }) => row.id)).toContain(id);
    expect(await lab.usage()).toMatchObject({ booked: { instances: 1, cores: 1, ram: 64 }, counted: { instances: 1, cores: 1, ram: 64 } });

    expect((await lab.call('DELETE', `/v2.1/servers/${id}`)).status).toBe(204);
    await lab.gone(id);
    expect(lab.agents[0]!.domains.has(id)).toBe(false);
    expect(lab.network.portsOf(id)).toHaveLength(0);
    expect(lab.placement.claims.size).toBe(0);
    expect(await lab.usage()).toMatchObject({ booked: { instances: 0, cores: 0, ram: 0 }, counted: { instances: 0 } });
  });

  it('shows exactly the keys of each version', async () => {
    const { body } = await create();
    const { id } = body.server;
    await lab.active(id);
    const keys = async (version: string) => Object.keys((await lab.call('GET', `/v2.1/servers/${id}`, undefined, { version })).body.server);
    const at1 = [
      'id', 'name', 'status', 'tenant_id', 'user_id', 'metadata', 'hostId', 'image', 'flavor', 'created', 'updated', 'addresses', 'accessIPv4', 'accessIPv6', 'links',
      'OS-DCF:diskConfig', 'progress', 'OS-EXT-AZ:availability_zone', 'config_drive', 'key_name', 'OS-SRV-USG:launched_at', 'OS-SRV-USG:terminated_at', 'security_groups',
      'OS-EXT-STS:task_state', 'OS-EXT-STS:vm_state', 'OS-EXT-STS:power_state', 'os-extended-volumes:volumes_attached',
    ];
    expect(await keys('2.1')).toEqual(at1);
    expect(await keys('2.47')).toEqual([...at1, 'locked', 'description', 'tags']);
    expect(await keys('2.93')).toEqual([...at1, 'locked', 'locked_reason', 'description', 'tags', 'trusted_image_certificates', 'OS-EXT-SRV-ATTR:hostname', 'server_groups']);
    await lab.call('DELETE', `/v2.1/servers/${id}`);
    await lab.gone(id);
  });

  it('tries another host, then gives up with nothing left behind', async () => {
    lab.agents[0]!.behaviour.build = { fail: 'disk full' };
    const first = (await create()).body.server.id;
    expect(await lab.active(first)).toMatchObject({ 'OS-EXT-SRV-ATTR:host': 'host2' });
    expect(lab.agents[0]!.domains.has(first)).toBe(false);
    expect(lab.agents[0]!.executed.filter(({ instanceId }) => instanceId === first).map(({ verb }) => verb)).toEqual(['build', 'destroy']);

    lab.agents[1]!.behaviour.build = { fail: 'no memory' };
    const second = (await create()).body.server.id;
    const failed = await lab.serverUntil(second, ({ status }) => status === 'ERROR');
    expect(failed.fault).toMatchObject({ code: 500, message: expect.stringContaining(`Exhausted all hosts available for retrying build failures for instance ${second}`) });
    expect(failed.fault.message).toContain('no memory');
    expect(failed).toMatchObject({ 'OS-EXT-STS:task_state': null, 'OS-EXT-SRV-ATTR:host': null, hostId: '' });
    expect(lab.network.portsOf(second)).toHaveLength(0);
    expect([...lab.placement.claims.keys()]).toEqual([first]);
    const events = await lab.db.selectFrom('operation_steps').innerJoin('operations', 'operations.id', 'operation_steps.operation_id')
      .select(['operation_steps.step', 'operation_steps.phase', 'operation_steps.attempt', 'result']).where('instance_id', '=', second).where('started_at', 'is not', null).orderBy('operation_steps.id').execute();
    expect(events.map(({ phase, step, attempt, result }) => `${phase} ${step} ${attempt} ${result}`)).toEqual([
      'do allocate_ports 1 Success', 'do claim_host 1 Success', 'do bind_ports 1 Success', 'do build_on_host 1 Error', 'undo build_on_host 1 Success', 'undo claim_host 1 Success',
      'do claim_host 2 Success', 'do bind_ports 2 Success', 'do build_on_host 2 Error', 'undo build_on_host 2 Success', 'undo claim_host 2 Success',
      'do claim_host 3 Error', 'undo claim_host 3 Success', 'undo allocate_ports 3 Success',
    ]);
    delete lab.agents[0]!.behaviour.build;
    delete lab.agents[1]!.behaviour.build;
    for (const id of [first, second]) { await lab.call('DELETE', `/v2.1/servers/${id}`); await lab.gone(id); }
    expect(lab.placement.claims.size).toBe(0);
  });

  it('says which filter refused a flavor that is too large', async () => {
    const huge = await lab.makeFlavor('huge', { ram: 900_000 });
    await lab.asAdmin('PUT', `/v2.1/os-quota-sets/${lab.projectId}`, { quota_set: { ram: -1 } });
    const { body } = await create({ flavorRef: huge, networks: 'none' });
    const server = await lab.serverUntil(body.server.id, ({ status }) => status === 'ERROR');
    expect(server.fault.message).toBe('No valid host was found. RamFilter removed 2 of 2 hosts: 900000 MB asked for.');
    await lab.call('DELETE', `/v2.1/servers/${body.server.id}`);
    await lab.gone(body.server.id);
    expect(await lab.usage()).toMatchObject({ booked: { instances: 0, ram: 0 }, counted: { instances: 0 } });
  });

  it('deletes in the middle of a build', async () => {
    lab.agents[0]!.behaviour.build = 'silent';
    const { id } = (await create()).body.server;
    await lab.serverUntil(id, (server) => server['OS-EXT-STS:task_state'] === 'spawning');
    expect((await lab.call('DELETE', `/v2.1/servers/${id}`)).status).toBe(204);
    await lab.gone(id);
    expect(lab.placement.claims.size).toBe(0);
    expect(lab.network.portsOf(id)).toHaveLength(0);
    const operations = await lab.db.selectFrom('operations').select(['kind', 'state']).where('instance_id', '=', id).orderBy('created_at').execute();
    expect(operations).toEqual([{ kind: 'build-instance', state: 'cancelled' }, { kind: 'delete-instance', state: 'done' }]);
    // The agent comes round after all: nobody minds.
    delete lab.agents[0]!.behaviour.build;
    await lab.agents[0]!.report(lab.agents[0]!.executed.find(({ instanceId, verb }) => instanceId === id && verb === 'build')!);
    expect((await lab.call('GET', `/v2.1/servers/${id}`)).status).toBe(404);
  });

  it('answers 404 for a server that is not there', async () => {
    const id = newUuid();
    const { status, body } = await lab.call('GET', `/v2.1/servers/${id}`);
    expect(status).toBe(404);
    expect(body).toEqual({ itemNotFound: { code: 404, message: `Instance ${id} could not be found.` } });
  });
});
