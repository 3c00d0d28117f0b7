import { startLab, type Lab } from './lab';

describe('aggregates', () => {
  let lab: Lab;
  let image: string;
  beforeAll(async () => {
    lab = await startLab({ hosts: 2 });
    image = lab.images.add();
  });
  afterAll(() => lab.stop());

  const make = async (name: string, more = {}) => (await lab.asAdmin('POST', '/v2.1/os-aggregates', { aggregate: { name, ...more } })).body.aggregate.id as number;
  const act = (id: number, body: unknown) => lab.asAdmin('POST', `/v2.1/os-aggregates/${id}/action`, body);
  const drop = async (id: number) => {
    for (const host of (await lab.asAdmin('GET', `/v2.1/os-aggregates/${id}`)).body.aggregate.hosts) await act(id, { remove_host: { host } });
    expect((await lab.asAdmin('DELETE', `/v2.1/os-aggregates/${id}`)).status).toBe(200);
  };
  const boot = async (more: Record<string, unknown> = {}) => {
    const { body } = await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: image, networks: 'none', ...more } });
    return body.server.id as string;
  };
  const remove = async (id: string) => { await lab.call('DELETE', `/v2.1/servers/${id}`); await lab.gone(id); };

  it('are made, shown and changed as recorded', async () => {
    const made = await lab.asAdmin('POST', '/v2.1/os-aggregates', { aggregate: { name: 'ag1', availability_zone: 'az1' } });
    expect(made.status).toBe(200);
    const { id } = made.body.aggregate;
    expect(made.body.aggregate).toEqual({
      id, uuid: expect.stringMatching(/^[0-9a-f-]{36}$/), name: 'ag1', created_at: expect.stringMatching(/^[\d-]+T[\d:]+\.\d{6}$/), updated_at: null, deleted_at: null, deleted: false,
      availability_zone: 'az1',
    });
    const shown = (await lab.asAdmin('GET', `/v2.1/os-aggregates/${id}`)).body.aggregate;
    expect(Object.keys(shown)).toEqual(['id', 'uuid', 'name', 'hosts', 'metadata', 'created_at', 'updated_at', 'deleted_at', 'deleted', 'availability_zone']);
    expect(shown).toMatchObject({ hosts: [], metadata: { availability_zone: 'az1' } });
    expect(Object.keys((await lab.asAdmin('GET', `/v2.1/os-aggregates/${id}`, undefined, { version: '2.40' })).body.aggregate)).not.toContain('uuid');
    expect((await lab.asAdmin('GET', '/v2.1/os-aggregates')).body.aggregates).toEqual([shown]);
    expect((await lab.asAdmin('PUT', `/v2.1/os-aggregates/${id}`, { aggregate: { name: 'ag2', availability_zone: 'az2' } })).body.aggregate).toMatchObject({ name: 'ag2', availability_zone: 'az2', updated_at: expect.any(String) });
    expect((await act(id, { set_metadata: { metadata: { ssd: 'true', availability_zone: null } } })).body.aggregate).toMatchObject({ metadata: { ssd: 'true' }, availability_zone: null });
    await drop(id);
    expect((await lab.asAdmin('GET', `/v2.1/os-aggregates/${id}`)).status).toBe(404);
  });

  it('carry their zone to hosts, services and servers', async () => {
    const flavorRef = await lab.makeFlavor('zoned');
    const id = await make('zone', { availability_zone: 'az1' });
    expect((await act(id, { add_host: { host: 'host2' } })).body.aggregate.hosts).toEqual(['host2']);
    expect(lab.placement.hosts.get(lab.agents[1]!.hostId)!.zone).toBe('az1');
    await lab.agents[1]!.heartbeat();
    expect(lab.placement.hosts.get(lab.agents[1]!.hostId)!.zone).toBe('az1');
    expect((await lab.call('GET', '/v2.1/os-availability-zone')).body.availabilityZoneInfo.map((zone: any) => zone.zoneName)).toEqual(['az1', 'nova']);
    expect((await lab.asAdmin('GET', '/v2.1/os-services?host=host2')).body.services[0].zone).toBe('az1');
    const bound = await boot({ flavorRef, availability_zone: 'az1' });
    expect(await lab.active(bound)).toMatchObject({ 'OS-EXT-SRV-ATTR:host': 'host2', 'OS-EXT-AZ:availability_zone': 'az1' });
    // The server asked for its zone: its host may not leave it.
    expect(await act(id, { remove_host: { host: 'host2' } })).toMatchObject({ status: 409, body: { conflictingRequest: { message: expect.stringContaining('contain instances in this zone') } } });
    expect((await lab.asAdmin('PUT', `/v2.1/os-aggregates/${id}`, { aggregate: { availability_zone: 'az9' } })).status).toBe(409);
    expect((await lab.asAdmin('GET', `/v2.1/os-aggregates/${id}`)).body.aggregate).toMatchObject({ hosts: ['host2'], availability_zone: 'az1' });
    await remove(bound);
    const free = await boot({ flavorRef, availability_zone: 'az1' });
    await lab.active(free);
    await lab.db.updateTable('instances').set({ requested_az: null }).where('id', '=', free).execute();
    await drop(id);
    expect((await lab.asAdmin('GET', `/v2.1/servers/${free}`)).body.server['OS-EXT-AZ:availability_zone']).toBe('nova');
    await remove(free);
  });

  it('are not two zones of one host', async () => {
    const [one, two, plain] = [await make('one', { availability_zone: 'a' }), await make('two', { availability_zone: 'b' }), await make('plain')];
    await act(one, { add_host: { host: 'host1' } });
    expect((await act(two, { add_host: { host: 'host1' } })).status).toBe(409);
    expect((await act(plain, { add_host: { host: 'host1' } })).status).toBe(200);
    expect((await act(plain, { set_metadata: { metadata: { availability_zone: 'b' } } })).status).toBe(409);
    expect((await lab.asAdmin('GET', `/v2.1/os-aggregates/${plain}`)).body.aggregate.metadata).toEqual({});
    for (const id of [one, two, plain]) await drop(id);
  });

  it('steer flavors and projects', async () => {
    const ssd = await make('ssd');
    await act(ssd, { set_metadata: { metadata: { disk: 'ssd' } } });
    await act(ssd, { add_host: { host: 'host2' } });
    const flavorRef = await lab.makeFlavor('fast');
    await lab.asAdmin('POST', `/v2.1/flavors/${flavorRef}/os-extra_specs`, { extra_specs: { 'aggregate_instance_extra_specs:disk': 'ssd' } });
    const fast = await boot({ flavorRef });
    expect((await lab.active(fast))['OS-EXT-SRV-ATTR:host']).toBe('host2');
    await act(ssd, { set_metadata: { metadata: { disk: null, filter_tenant_id: 'another-project' } } });
    const nowhere = await boot({ flavorRef });
    expect((await lab.serverUntil(nowhere, ({ status }) => status === 'ERROR')).fault.message).toContain('No valid host');
    const plain = await boot({ flavorRef: await lab.makeFlavor('anywhere') });
    expect((await lab.active(plain))['OS-EXT-SRV-ATTR:host']).toBe('host1');
    for (const id of [fast, nowhere, plain]) await remove(id);
    await drop(ssd);
  });

  it('have their hosts fetch images in advance', async () => {
    const id = await make('cache');
    await act(id, { add_host: { host: 'host1' } });
    expect((await lab.asAdmin('POST', `/v2.1/os-aggregates/${id}/images`, { cache: [{ id: image }] })).status).toBe(202);
    await lab.until(async () => lab.agents[0]!.fetched, (fetched) => fetched.includes(image));
    expect(lab.agents[1]!.fetched).toEqual([]);
    expect((await lab.asAdmin('POST', `/v2.1/os-aggregates/${id}/images`, { cache: [{ id: image }, { id: image }] })).status).toBe(400);
    expect((await lab.asAdmin('POST', `/v2.1/os-aggregates/${id}/images`, { cache: [{ id: '00000000-0000-0000-0000-000000000000' }] })).status).toBe(400);
    expect((await lab.asAdmin('POST', `/v2.1/os-aggregates/${id}/images`, { cache: [{ id: image }] }, { version: '2.80' })).status).toBe(404);
    await drop(id);
  });

  describe('refuse', () => {
    let id: number;
    beforeAll(async () => { id = await make('known'); await act(id, { add_host: { host: 'host1' } }); });
    afterAll(() => drop(id));

    it.each<[string, string, (id: number) => string, unknown, number]>([
      ['a name that is taken', 'POST', () => '', { aggregate: { name: 'known' } }, 409],
      ['an empty name', 'POST', () => '', { aggregate: { name: '' } }, 400],
      ['an overlong name', 'POST', () => '', { aggregate: { name: 'n'.repeat(256) } }, 400],
      ['a zone with a colon', 'POST', () => '', { aggregate: { name: 'x', availability_zone: 'a:b' } }, 400],
      ['no change', 'PUT', (known) => `/${known}`, { aggregate: {} }, 400],
      ['an id that is no number', 'GET', () => '/nosuch', undefined, 400],
      ['a negative id', 'DELETE', () => '/-1', undefined, 404],
      ['a huge id', 'GET', () => `/${'9'.repeat(60)}`, undefined, 404],
      ['an unknown aggregate', 'GET', () => '/99999', undefined, 404],
      ['deletion with hosts', 'DELETE', (known) => `/${known}`, undefined, 400],
      ['deletion of an unknown one', 'DELETE', () => '/99999', undefined, 404],
      ['an unknown action', 'POST', (known) => `/${known}/action`, { nosuch: {} }, 400],
      ['no action', 'POST', (known) => `/${known}/action`, {}, 400],
      ['an unknown host', 'POST', (known) => `/${known}/action`, { add_host: { host: 'nosuch' } }, 404],
      ['a host twice', 'POST', (known) => `/${known}/action`, { add_host: { host: 'host1' } }, 409],
      ['a host that is not in it', 'POST', (known) => `/${known}/action`, { remove_host: { host: 'host2' } }, 404],
      ['a host in no aggregate', 'POST', () => '/99999/action', { add_host: { host: 'host2' } }, 404],
      ['a bad key', 'POST', (known) => `/${known}/action`, { set_metadata: { metadata: { 'a/b': 'c' } } }, 400],
    ])('%s', async (_name, method, path, body, status) => {
      expect((await lab.asAdmin(method, `/v2.1/os-aggregates${path(id)}`, body)).status).toBe(status);
    });

    it('everybody but administrators', async () => {
      expect(await lab.call('GET', '/v2.1/os-aggregates')).toMatchObject({ status: 403 });
      expect(await lab.call('POST', `/v2.1/os-aggregates/${id}/action`, { remove_host: { host: 'host1' } })).toMatchObject({ status: 403, body: { forbidden: { message: "Policy doesn't allow os_compute_api:os-aggregates:remove_host to be performed." } } });
    });
  });
});
