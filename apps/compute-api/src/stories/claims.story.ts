import { startLab, type Lab } from './lab';

/** Each way by which an instance comes to a host, and what limits the hosts on which it may be. */
describe('what limits the hosts of an instance', () => {
  let lab: Lab;
  let flavor: string;
  let other: string;
  let aggregate: number;
  let server: string;
  beforeAll(async () => {
    lab = await startLab({ hosts: 3, conductor: { hostLeaseMs: 600_000 } });
    flavor = await lab.makeFlavor('fast');
    other = await lab.makeFlavor('faster', { ram: 128 });
    for (const id of [flavor, other]) await lab.asAdmin('POST', `/v2.1/flavors/${id}/os-extra_specs`, { extra_specs: { 'aggregate_instance_extra_specs:disk': 'ssd' } });
    aggregate = (await lab.asAdmin('POST', '/v2.1/os-aggregates', { aggregate: { name: 'ssd' } })).body.aggregate.id;
    await act({ set_metadata: { metadata: { disk: 'ssd' } } });
    await act({ add_host: { host: 'host1' } });
    const { body } = await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: lab.images.add(), flavorRef: flavor, networks: [{ uuid: lab.network.addNetwork('net1') }] } });
    server = body.server.id;
    expect((await lab.active(server))['OS-EXT-SRV-ATTR:host']).toBe('host1');
  });
  afterAll(() => lab.stop());

  const act = async (body: unknown) => { expect((await lab.asAdmin('POST', `/v2.1/os-aggregates/${aggregate}/action`, body)).status).toBe(200); };
  const move = async (body: unknown) => {
    const answer = await lab.asAdmin('POST', `/v2.1/servers/${server}/action`, body);
    expect([answer.status, answer.body]).toEqual([answer.status < 300 ? answer.status : 'refused', answer.body]);
    return lab.serverUntil(server, (seen) => seen['OS-EXT-STS:task_state'] === null);
  };
  const hostnames = new Map<string, string>();
  const wanted = () => lab.placement.wishes.at(-1)!.aggregateHostIds?.map((id) => hostnames.get(id));

  it.each<[string, string, () => unknown]>([
    ['a live migration', 'host3', () => ({ 'os-migrateLive': { host: null, block_migration: 'auto' } })],
    ['a cold migration', 'host2', () => ({ migrate: null })],
    ['a resize', 'host1', () => ({ resize: { flavorRef: other } })],
    ['an evacuation', 'host2', () => ({ evacuate: {} })],
  ])('is told to the scheduler by %s', async (what, to, body) => {
    for (const { hostId, hostname } of lab.agents) hostnames.set(hostId, hostname);
    const { host } = await lab.db.selectFrom('instances').select('host').where('id', '=', server).executeTakeFirstOrThrow();
    await act({ add_host: { host: to } });
    if (what === 'an evacuation') await lab.asAdmin('PUT', `/v2.1/os-services/${(await lab.asAdmin('GET', `/v2.1/os-services?host=${host}`)).body.services[0].id}`, { forced_down: true });
    await move(body());
    expect(wanted()!.sort()).toEqual([host, to].sort());
    expect(await lab.db.selectFrom('instances').select('host').where('id', '=', server).executeTakeFirst()).toEqual({ host: to });
    if (what === 'a cold migration' || what === 'a resize') {
      await lab.asAdmin('POST', `/v2.1/servers/${server}/action`, { confirmResize: null });
      await lab.serverUntil(server, (seen) => seen.status === 'ACTIVE' && seen['OS-EXT-STS:task_state'] === null);
    }
    await act({ remove_host: { host: host! } });
  });

  it('refuses a named host outside of them, unless an administrator insists', async () => {
    const { host } = await lab.db.selectFrom('instances').select('host').where('id', '=', server).executeTakeFirstOrThrow();
    const outside = lab.agents.find(({ hostname }) => hostname === 'host3')!.hostname;
    expect(outside).not.toBe(host);
    const refused = await lab.asAdmin('POST', `/v2.1/servers/${server}/action`, { 'os-migrateLive': { host: outside, block_migration: 'auto' } }, { version: '2.25' });
    expect(refused).toMatchObject({ status: 400, body: { badRequest: { message: expect.stringContaining('it is outside of the aggregates that the flavor and the project ask for') } } });
    expect((await lab.asAdmin('POST', `/v2.1/servers/${server}/action`, { 'os-migrateLive': { host: outside, block_migration: 'auto', force: true } }, { version: '2.30' })).status).toBe(202);
    expect((await lab.serverUntil(server, (seen) => seen['OS-EXT-STS:task_state'] === null))['OS-EXT-SRV-ATTR:host']).toBe(outside);
  });
});
