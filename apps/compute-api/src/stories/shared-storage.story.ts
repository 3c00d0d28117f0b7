import { startLab, type Lab } from './lab';

/** Hosts 1 and 2 have their disks in common, host 3 has its own. */
describe('storage that hosts have in common', () => {
  let lab: Lab;
  let server: string;
  beforeAll(async () => {
    lab = await startLab({ hosts: 3 });
    for (const agent of lab.agents.slice(0, 2)) { agent.sharesStorage = true; await agent.heartbeat(); }
    const { body } = await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: lab.images.add(), flavorRef: await lab.makeFlavor(), networks: [{ uuid: lab.network.addNetwork('net1') }] } });
    server = body.server.id;
    expect((await lab.active(server))['OS-EXT-SRV-ATTR:host']).toBe('host1');
  });
  afterAll(() => lab.stop());

  const migrate = (host: string, block: unknown, version = '2.25') => lab.asAdmin('POST', `/v2.1/servers/${server}/action`, { 'os-migrateLive': { host, block_migration: block, ...(version === '2.1' && { disk_over_commit: false }) } }, { version });
  const settled = () => lab.serverUntil(server, (seen) => seen['OS-EXT-STS:task_state'] === null);

  it.each<[string, unknown, string, string]>([
    ['host2', true, '2.25', 'host1 is not on local storage: Block migration can not be used with shared storage.'],
    ['host2', true, '2.1', 'host1 is not on local storage: Block migration can not be used with shared storage.'],
    ['host3', false, '2.25', 'host1 is not on shared storage: Shared storage live-migration requires either shared storage or boot-from-volume with no local disks.'],
  ])('to %s with block_migration %s in %s is refused', async (host, block, version, sentence) => {
    expect(await migrate(host, block, version)).toMatchObject({ status: 400, body: { badRequest: { message: expect.stringContaining(sentence) } } });
  });

  it('refuses it in the history where the answer comes before', async () => {
    expect((await migrate('host2', true, '2.93')).status).toBe(202);
    expect((await settled())['OS-EXT-SRV-ATTR:host']).toBe('host1');
    expect((await lab.db.selectFrom('instance_faults').select('message').where('instance_id', '=', server).orderBy('id', 'desc').executeTakeFirstOrThrow()).message).toContain('Block migration can not be used with shared storage.');
  });

  it.each<[string, unknown]>([['host2', false], ['host3', true], ['host2', 'auto'], ['host3', 'auto'], ['host1', 'auto']])('goes to %s with block_migration %s', async (host, block) => {
    expect((await migrate(host, block, '2.93')).status).toBe(202);
    expect((await settled())['OS-EXT-SRV-ATTR:host']).toBe(host);
  });
});
