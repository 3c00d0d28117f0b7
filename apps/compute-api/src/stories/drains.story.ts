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
    for (const name of ['a', 'b', 'c', 'off']) {
      const { id } = (await lab.asAdmin('POST', '/v2.1/servers', { server: { name, imageRef: image, flavorRef: flavor, networks: [{ uuid: net }], availability_zone: 'nova:host1' } })).body.server;
      await lab.active(id);
      ids.push(id);
    }
    await lab.asAdmin('POST', `/v2.1/servers/${ids[3]}/action`, { 'os-stop': null });
    await lab.serverUntil(ids[3]!, ({ status }) => status === 'SHUTOFF');
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
    expect([report.state, verdicts(report)]).toEqual(['drained', { a: 'away', b: 'away', c: 'away', off: 'stays' }]);
    expect(await on('host1')).toEqual(['off']);
    expect(await service('host1')).toMatchObject({ status: 'disabled', disabled_reason: 'drained' });
    expect((await drainHost(lab.db, 'host1', actor)).state).toBe('drained');
    expect(agent('host1').executed.filter(({ verb }) => verb === 'migrateLive')).toHaveLength(3);
  });

  it('deals also with a guest that is switched on later', async () => {
    await lab.asAdmin('POST', `/v2.1/servers/${ids[3]}/action`, { 'os-start': null });
    await lab.until(() => on('host1'), (names) => names.length === 0);
    expect(verdicts(await ended('host1'))).toMatchObject({ off: 'away' });
  });

  it('brings them back, and says which could not come', async () => {
    await lab.asAdmin('POST', `/v2.1/servers/${ids[2]}/action`, { 'os-stop': null });
    await lab.serverUntil(ids[2]!, ({ status }) => status === 'SHUTOFF');
    expect((await lab.asAdmin('DELETE', `/v2.1/servers/${ids[3]}`)).status).toBe(204);
    await lab.gone(ids[3]!);
    expect((await restoreHost(lab.db, 'host1', actor)).state).toBe('restoring');
    const report = await ended('host1');
    expect([report.state, verdicts(report)]).toEqual(['restored', { a: 'back', b: 'back', c: 'stays' }]);
    expect(report.instances.find(({ name }) => name === 'c')).toMatchObject({ message: 'it is stopped' });
    expect(await on('host1')).toEqual(['a', 'b']);
    expect(await service('host1')).toMatchObject({ status: 'enabled', disabled_reason: null });
    expect((await restoreHost(lab.db, 'host1', actor)).state).toBe('restored');
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
