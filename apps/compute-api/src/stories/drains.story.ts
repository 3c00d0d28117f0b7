import { drainHost, drainReport, isDone, restoreHost } from '../drains/drain-host';
import { startLab, type Lab } from './lab';

describe('draining a host', () => {
  let lab: Lab;
  const actor = { requestId: 'req-drain', userId: 'conductor', projectId: null, roles: [] };
  const ids: string[] = [];
  const on = async (hostname: string) => (await lab.db.selectFrom('instances').select('display_name').where('host', '=', hostname).where('deleted_at', 'is', null).orderBy('display_name').execute()).map(({ display_name: name }) => name);
  const ended = (hostname: string) => lab.until(() => drainReport(lab.db, hostname), isDone);
  const verdicts = (report: Awaited<ReturnType<typeof drainReport>>) => Object.fromEntries(report.instances.map(({ name, state }) => [name, state]));
  const service = async (hostname: string) => (await lab.asAdmin('GET', `/v2.1/os-services?binary=nova-compute&host=${hostname}`)).body.services[0];
  const agent = (hostname: string) => lab.agents.find((one) => one.hostname === hostname)!;

  beforeAll(async () => {
    lab = await startLab({ hosts: 3 });
    const flavor = await lab.makeFlavor();
    const image = lab.images.add();
    const net = lab.network.addNetwork('net1');
    for (const name of ['a', 'b', 'c', 'off', 'asleep']) {
      const { id } = (await lab.asAdmin('POST', '/v2.1/servers', { server: { name, imageRef: image, flavorRef: flavor, networks: [{ uuid: net }], availability_zone: 'nova:host1' } })).body.server;
      await lab.active(id);
      ids.push(id);
    }
    await lab.asAdmin('POST', `/v2.1/servers/${ids[3]}/action`, { 'os-stop': null });
    await lab.serverUntil(ids[3]!, ({ status }) => status === 'SHUTOFF');
    await lab.asAdmin('POST', `/v2.1/servers/${ids[4]}/action`, { suspend: null });
    await lab.serverUntil(ids[4]!, ({ status }) => status === 'SUSPENDED');
  });
  afterAll(() => lab.stop());

  it('moves the running guests away, whatever becomes of the conductor', async () => {
    for (const one of lab.agents) one.behaviour.migrateLive = 'silent';
    expect((await drainHost(lab.db, 'host1', actor)).state).toBe('draining');
    const waiting = () => agent('host1').executed.filter(({ verb }) => verb === 'migrateLive');
    await lab.until(async () => waiting(), (commands) => commands.length === 2);
    await lab.conductors[0]!.kill();
    await lab.addConductor();
    for (const one of lab.agents) delete one.behaviour.migrateLive;
    for (const command of waiting()) await agent('host1').report(command, 'ok');
    const report = await ended('host1');
    expect([report.state, verdicts(report)]).toEqual(['drained', { a: 'away', b: 'away', c: 'away', off: 'away', asleep: 'stays' }]);
    expect(report.instances.find(({ name }) => name === 'asleep')).toMatchObject({ message: 'it is suspended' });
    expect(await on('host1')).toEqual(['asleep']);
    expect(await service('host1')).toMatchObject({ status: 'disabled', disabled_reason: 'drained' });
    expect((await drainHost(lab.db, 'host1', actor)).state).toBe('drained');
    expect(agent('host1').executed.filter(({ verb }) => verb === 'migrateLive')).toHaveLength(3);
  });

  it('moves a guest that is off as it lies, without a question to its user', async () => {
    const { status, 'OS-EXT-STS:power_state': power, 'OS-EXT-SRV-ATTR:host': at } = (await lab.asAdmin('GET', `/v2.1/servers/${ids[3]}`)).body.server;
    expect([status, power]).toEqual(['SHUTOFF', 4]);
    expect(at).toMatch(/^host[23]$/);
    expect(agent(at).executed.filter(({ verb }) => verb === 'startMoved').map(({ args }) => (args as { start: boolean }).start)).toEqual([false]);
    const moves = await lab.db.selectFrom('migrations').select(['migration_type', 'status']).where('instance_id', '=', ids[3]!).execute();
    expect(moves).toEqual([{ migration_type: 'migration', status: 'confirmed' }]);
    // Nothing is kept of it where it was, neither disks nor room.
    expect(agent('host1').executed.filter(({ verb }) => verb === 'discardAside')).toHaveLength(1);
  });

  it('deals also with a guest that wakes up later', async () => {
    await lab.asAdmin('POST', `/v2.1/servers/${ids[4]}/action`, { resume: null });
    await lab.until(() => on('host1'), (names) => names.length === 0);
    expect(verdicts(await ended('host1'))).toMatchObject({ asleep: 'away' });
  });

  it('brings them back, those that are off as well, and says which could not come', async () => {
    await lab.asAdmin('POST', `/v2.1/servers/${ids[2]}/action`, { suspend: null });
    await lab.serverUntil(ids[2]!, ({ status }) => status === 'SUSPENDED');
    expect((await lab.asAdmin('DELETE', `/v2.1/servers/${ids[4]}`)).status).toBe(204);
    await lab.gone(ids[4]!);
    expect((await restoreHost(lab.db, 'host1', actor)).state).toBe('restoring');
    const report = await ended('host1');
    expect([report.state, verdicts(report)]).toEqual(['restored', { a: 'back', b: 'back', c: 'stays', off: 'back' }]);
    expect(report.instances.find(({ name }) => name === 'c')).toMatchObject({ message: 'it is suspended' });
    expect(await on('host1')).toEqual(['a', 'b', 'off']);
    expect((await lab.asAdmin('GET', `/v2.1/servers/${ids[3]}`)).body.server.status).toBe('SHUTOFF');
    expect(await service('host1')).toMatchObject({ status: 'enabled', disabled_reason: null });
    expect((await restoreHost(lab.db, 'host1', actor)).state).toBe('restored');
  });

  it("leaves a resize that waits for its user's word alone", async () => {
    const bigger = await lab.makeFlavor('m1.bigger', { ram: 128 });
    await lab.asAdmin('POST', `/v2.1/servers/${ids[3]}/action`, { resize: { flavorRef: bigger } });
    const { 'OS-EXT-SRV-ATTR:host': at } = await lab.serverUntil(ids[3]!, ({ status }) => status === 'VERIFY_RESIZE');
    await drainHost(lab.db, at, actor);
    const report = await ended(at);
    expect(report.instances.find(({ name }) => name === 'off')).toMatchObject({ state: 'stays', message: 'it is resized' });
    await restoreHost(lab.db, at, actor);
    await ended(at);
    expect((await lab.asAdmin('DELETE', `/v2.1/servers/${ids[3]}`)).status).toBe(204);
    await lab.gone(ids[3]!);
  });

  it('gives up a guest that cannot be moved, and says why', async () => {
    for (const one of lab.agents) one.migrationReasons = ['no'];
    await drainHost(lab.db, 'host1', actor);
    const report = await ended('host1');
    expect(verdicts(report)).toEqual({ a: 'failed', b: 'failed' });
    expect(report.instances[0]!.message).toMatch(/cannot move to host host\d: no\.|No valid host/);
    for (const one of lab.agents) one.migrationReasons = [];
    expect(await on('host1')).toEqual(['a', 'b']);
    expect((await restoreHost(lab.db, 'host1', actor)).state).toBe('restoring');
    expect((await ended('host1')).instances).toEqual([]);
  }, 120_000);

  it('knows only hosts that are there', async () => {
    await expect(drainHost(lab.db, 'nosuch', actor)).rejects.toMatchObject({ kind: 'notFound' });
    expect(await drainReport(lab.db, 'host2')).toEqual({ host: 'host2', state: 'none', instances: [] });
  });
});
