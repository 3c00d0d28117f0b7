import { agentGatewayContract, type MigrationStanding } from '@virga/contracts';
import type { FakeAgent } from '@virga/testing';
import { startLab, type Lab } from './lab';

describe('live migration', () => {
  let lab: Lab;
  let server: string;
  let net: string;
  let flavor: string;
  let image: string;
  beforeAll(async () => {
    lab = await startLab({ hosts: 3 });
    flavor = await lab.makeFlavor();
    image = lab.images.add();
    net = lab.network.addNetwork('net1');
    const { id } = (await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: image, flavorRef: flavor, networks: [{ uuid: net }] } })).body.server;
    await lab.active(id);
    server = id;
  });
  afterAll(() => lab.stop());

  const row = () => lab.db.selectFrom('instances').selectAll().where('id', '=', server).executeTakeFirstOrThrow();
  const agentOf = async () => { const { host } = await row(); return lab.agents.find(({ hostname }) => hostname === host)!; };
  const others = async () => { const { host } = await row(); return lab.agents.filter(({ hostname }) => hostname !== host); };
  const act = (body: Record<string, unknown> = {}, options = {}) => lab.asAdmin('POST', `/v2.1/servers/${server}/action`, { 'os-migrateLive': { host: null, block_migration: 'auto', ...body } }, options);
  const newest = async () => (await lab.asAdmin('GET', `/v2.1/os-migrations?instance_uuid=${server}`)).body.migrations[0];
  const settled = () => lab.serverUntil(server, (seen) => seen['OS-EXT-STS:task_state'] === null);
  /** What nothing may be left of after a migration: exactly one guest, one claim and one binding, all on the instance's host. */
  async function expectOnePlace() {
    const { host_id: hostId, host, vm_state: vmState } = await row();
    expect(vmState).toBe('active');
    expect(lab.agents.filter(({ domains }) => domains.has(server)).map(({ hostname }) => hostname)).toEqual([host]);
    expect([...lab.placement.claims].map(([consumer, claim]) => [consumer, claim.hostId])).toEqual([[server, hostId]]);
    expect([...lab.network.ports.values()].map((port) => [port.hostname, port.nextHostname])).toEqual([[host, '']]);
  }

  it('moves the guest to a host of the scheduler\'s choice', async () => {
    const source = await agentOf();
    expect((await act()).status).toBe(202);
    await settled();
    expect(await agentOf()).not.toBe(source);
    await expectOnePlace();
    expect(await newest()).toMatchObject({ status: 'completed', migration_type: 'live-migration', source_compute: source.hostname, dest_compute: (await agentOf()).hostname, dest_host: '127.0.0.1' });
    const { instanceActions: [action] } = (await lab.asAdmin('GET', `/v2.1/servers/${server}/os-instance-actions`)).body;
    expect(action).toMatchObject({ action: 'live-migration', message: null });
  });

  it('moves it to a named host', async () => {
    const [target] = await others();
    expect((await act({ host: target!.hostname })).status).toBe(202);
    await settled();
    expect(await agentOf()).toBe(target);
    await expectOnePlace();
  });

  it.each<[string, Record<string, unknown>, string, number, string | RegExp]>([
    ['an unknown host', { host: 'nosuch' }, '2.93', 400, 'Compute host nosuch could not be found.'],
    ['an unknown property', { nosuch: 1 }, '2.93', 400, /nosuch/],
    ['force in a version that has none any more', { force: true, host: 'host1' }, '2.68', 400, /force/],
    ['force without a host', { force: true }, '2.30', 400, "Can't force to a non-provided destination"],
    ['auto in a version that does not know it', { disk_over_commit: false }, '2.1', 400, /block_migration/],
    ['a host that is no name', { host: 'a/b' }, '2.93', 400, /host/],
  ])('refuses %s', async (_name, body, version, status, message) => {
    const answer = await act(body, { version });
    expect([answer.status, Object.values<any>(answer.body)[0].message]).toEqual([status, typeof message === 'string' ? message : expect.stringMatching(message)]);
    expect((await row()).task_state).toBeNull();
  });

  it('is for administrators', async () => {
    expect((await lab.call('POST', `/v2.1/servers/${server}/action`, { 'os-migrateLive': { host: null, block_migration: 'auto' } })).body)
      .toEqual({ forbidden: { code: 403, message: "Policy doesn't allow os_compute_api:os-migrate-server:migrate_live to be performed." } });
  });

  it('tells every reason at once why the host will not do, in the answer before 2.34 and in the history after', async () => {
    const [target] = await others();
    const service = (await lab.asAdmin('GET', `/v2.1/os-services?binary=nova-compute&host=${target!.hostname}`)).body.services[0];
    await lab.asAdmin('PUT', `/v2.1/os-services/${service.id}`, { status: 'disabled' });
    Object.assign(target!, { migrationReasons: ['its processors cannot run the CPU model x'], absentImages: ['00000000-0000-0000-0000-000000000000'] });
    lab.placement.hosts.get(target!.hostId)!.inventory = { vcpus: 64, memoryMb: 10, diskGb: 0 };
    const said = `Migration pre-check error: the instance cannot move to host ${target!.hostname}: its compute service is disabled; it has 10 MB of memory free, and 64 are needed; `
      + 'it has 0 GB of disk free, and 1 are needed; its processors cannot run the CPU model x; '
      + 'it does not have the image 00000000-0000-0000-0000-000000000000, which can no longer be fetched: No image found with ID 00000000-0000-0000-0000-000000000000.';
    expect((await act({ host: target!.hostname }, { version: '2.25' })).body).toEqual({ badRequest: { code: 400, message: said } });
    expect((await row()).task_state).toBeNull();
    expect((await act({ host: target!.hostname })).status).toBe(202);
    await settled();
    expect((await newest()).status).toBe('error');
    const fault = await lab.db.selectFrom('instance_faults').select('message').where('instance_id', '=', server).orderBy('id', 'desc').executeTakeFirstOrThrow();
    expect(fault.message).toBe(said);
    await expectOnePlace();
    Object.assign(target!, { migrationReasons: [], absentImages: [] });
    lab.placement.hosts.get(target!.hostId)!.inventory = { vcpus: 64, memoryMb: 65_536, diskGb: 1000 };
    await lab.asAdmin('PUT', `/v2.1/os-services/${service.id}`, { status: 'enabled' });
  });

  it('refuses the host where it is', async () => {
    const { hostname } = await agentOf();
    expect((await act({ host: hostname }, { version: '2.25' })).body.badRequest.message).toContain('the instance is on this host already');
  });

  it.each(['prepareMigration', 'migrateLive'])('takes all back when %s fails', async (verb) => {
    for (const agent of lab.agents) agent.behaviour[verb] = { fail: 'no' };
    const source = await agentOf();
    await act({ host: (await others())[0]!.hostname });
    await settled();
    for (const agent of lab.agents) delete agent.behaviour[verb];
    expect(await agentOf()).toBe(source);
    expect((await newest()).status).toMatch(/^(error|failed)$/);
    await expectOnePlace();
  });

  describe('while it runs', () => {
    let id: number;
    let uuid: string;
    const progress = async (more: Record<string, unknown> = {}) => {
      const source = await agentOf();
      return lab.broker.connect(`agent-${source.hostId}`).client(agentGatewayContract).migrationProgress({
        hostId: source.hostId, instanceId: server, migrationId: uuid, sequence: 1, mode: 'pre-copy', iteration: 2, memoryTotal: 400, memoryProcessed: 100, memoryRemaining: 300, diskTotal: 0, diskProcessed: 0,
        diskRemaining: 0, dirtyRate: 10, etaMs: 5, downtimeMs: null, totalMs: 7, ...more,
      });
    };
    const sent = (source: FakeAgent) => source.executed.findLast(({ verb, args }) => verb === 'migrateLive' && (args as { migrationId: string }).migrationId === uuid);
    const begin = async () => {
      for (const agent of lab.agents) agent.behaviour.migrateLive = 'silent';
      expect((await act()).status).toBe(202);
      ({ id, uuid } = await lab.until(newest, ({ status }) => status === 'running'));
      await lab.until(async () => sent(await agentOf()), (command) => command !== undefined);
    };
    const finish = async () => {
      const source = await agentOf();
      const command = sent(source)!;
      for (const agent of lab.agents) delete agent.behaviour.migrateLive;
      await source.report(command, 'ok');
      await settled();
    };

    it('shows how far it is, and believes its source alone', async () => {
      await begin();
      expect((await lab.asAdmin('GET', `/v2.1/servers/${server}`)).body.server.status).toBe('MIGRATING');
      expect(await progress()).toEqual({ forced: false });
      expect((await lab.asAdmin('GET', `/v2.1/servers/${server}/migrations/${id}`)).body.migration).toMatchObject({ status: 'running', memory_total_bytes: 400, memory_processed_bytes: 100, memory_remaining_bytes: 300 });
      await progress({ sequence: 0, memoryRemaining: 1 });
      const [other] = await others();
      const liar = lab.broker.connect(`agent-${other!.hostId}`).client(agentGatewayContract);
      const lie = { hostId: other!.hostId, instanceId: server, migrationId: uuid, sequence: 9, mode: 'post-copy' as const, iteration: 1, memoryTotal: 1, memoryProcessed: 1, memoryRemaining: 1, diskTotal: 0, diskProcessed: 0, diskRemaining: 0, dirtyRate: 0, etaMs: null, downtimeMs: null, totalMs: 1 };
      await expect(liar.migrationProgress(lie)).rejects.toMatchObject({ kind: 'notFound' });
      await expect(liar.migrationProgress({ ...lie, hostId: (await agentOf()).hostId })).rejects.toMatchObject({ kind: 'forbidden' });
      expect((await lab.asAdmin('GET', `/v2.1/servers/${server}/migrations/${id}`)).body.migration).toMatchObject({ status: 'running', memory_remaining_bytes: 300 });
    });

    it('refuses a second one and being stopped', async () => {
      expect((await act()).body.conflictingRequest.message).toBe(`Cannot 'os-migrateLive' instance ${server} while it is in task_state migrating`);
      expect((await lab.call('POST', `/v2.1/servers/${server}/action`, { 'os-stop': null })).status).toBe(409);
    });

    it('is forced by the next report', async () => {
      const force = () => lab.asAdmin('POST', `/v2.1/servers/${server}/migrations/${id}/action`, { force_complete: null });
      expect((await lab.call('POST', `/v2.1/servers/${server}/migrations/${id}/action`, { force_complete: null })).status).toBe(403);
      expect((await force()).status).toBe(202);
      expect(await progress({ sequence: 2, stuck: true })).toEqual({ forced: true });
      expect(lab.agents.flatMap(({ streamsDropped }) => streamsDropped)).toEqual([]);
    });

    it('is not aborted after the switch, and goes on, its destination being told of a connection that only its source knows to be broken', async () => {
      await progress({ sequence: 3, mode: 'post-copy', stuck: true });
      expect(lab.agents.filter(({ streamsDropped }) => streamsDropped.includes(server)).map(({ hostname }) => hostname)).toEqual([(await newest()).dest_compute]);
      expect((await lab.asAdmin('DELETE', `/v2.1/servers/${server}/migrations/${id}`)).body.badRequest.message)
        .toBe(`Migration ${id} state of instance ${server} is running (post-copy). Cannot abort live migration while the migration is in this state.`);
      await finish();
      expect((await newest()).status).toBe('completed');
      await expectOnePlace();
      expect((await lab.asAdmin('POST', `/v2.1/servers/${server}/migrations/${id}/action`, { force_complete: null })).status).toBe(409);
    });

    it('is aborted before it, with nothing left', async () => {
      const source = await agentOf();
      await begin();
      expect((await lab.call('DELETE', `/v2.1/servers/${server}/migrations/${id}`)).status).toBe(403);
      expect((await lab.asAdmin('DELETE', `/v2.1/servers/${server}/migrations/99999`)).status).toBe(404);
      expect((await lab.asAdmin('DELETE', `/v2.1/servers/${server}/migrations/${id}`)).status).toBe(202);
      await settled();
      for (const agent of lab.agents) delete agent.behaviour.migrateLive;
      expect((await newest()).status).toBe('cancelled');
      expect(await agentOf()).toBe(source);
      await expectOnePlace();
    });

    const reset = (state: string) => lab.asAdmin('POST', `/v2.1/servers/${server}/action`, { 'os-resetState': { state } });

    it('is taken back by a reset of the state, with nothing left', async () => {
      const source = await agentOf();
      await begin();
      expect((await reset('error')).status).toBe(202);
      const seen = await settled();
      for (const agent of lab.agents) delete agent.behaviour.migrateLive;
      expect(seen.status).toBe('ERROR');
      expect((await newest()).status).toBe('cancelled');
      expect(await agentOf()).toBe(source);
      await reset('active');
      await expectOnePlace();
    });

    it('goes on after the switch when the state is reset, and the books follow the guest', async () => {
      const source = await agentOf();
      await begin();
      await progress({ mode: 'post-copy' });
      expect((await reset('error')).status).toBe(202);
      const { generation, task_state: task } = await row();
      expect(task).toBe('migrating');
      expect((await lab.asAdmin('POST', `/v2.1/servers/${server}/action`, { 'os-stop': null })).status).toBe(409);
      await finish();
      expect((await newest()).status).toBe('completed');
      expect(await agentOf()).not.toBe(source);
      expect(await row()).toMatchObject({ vm_state: 'error', generation });
      await reset('active');
      await expectOnePlace();
    });

    /** The source says how it has ended, and the destination what it has of the guest. */
    const endWith = async (outcome: 'moved' | 'broken' | 'doubtful', told: { standing: MigrationStanding; powerState: number } | 'silent') => {
      const source = await agentOf();
      const command = sent(source)!;
      const destination = lab.agents.find(({ migrationUri }) => migrationUri === (command.args as { destination: { uri: string } }).destination.uri)!;
      if (told === 'silent') destination.behaviour.finishMigration = { fail: 'the hypervisor does not answer' };
      else destination.arrivals.set(server, told);
      if (outcome !== 'doubtful') {
        destination.domains.set(server, 1);
        if (outcome === 'moved') source.domains.delete(server);
      }
      const { commandId, operationId, generation } = command;
      await lab.broker.connect(`agent-${source.hostId}`).client(agentGatewayContract).report({ hostId: source.hostId, commandId, operationId, instanceId: server, generation, ok: true, result: { outcome, reason: 'the other host does not answer' } });
      const seen = await settled();
      for (const agent of lab.agents) { delete agent.behaviour.migrateLive; delete agent.behaviour.finishMigration; agent.arrivals.clear(); }
      return { source, destination, seen };
    };
    const beats = async () => { for (let round = 0; round < 3; round++) for (const agent of lab.agents) await agent.heartbeat(); };
    const reaped = () => lab.db.selectFrom('operations').select('id').where('instance_id', '=', server).where('kind', '=', 'reap-instance').execute();

    it('keeps both halves of a guest that is divided after the switch, whoever looks, and starts it nowhere', async () => {
      await begin();
      await progress({ mode: 'post-copy' });
      const { source, destination, seen } = await endWith('broken', { standing: 'broken', powerState: 1 });
      expect(seen.status).toBe('ERROR');
      expect(seen.fault.message).toBe("The guest's memory is divided between two hosts: the other host does not answer. It was started again nowhere; its disks are on the destination.");
      expect((await newest()).status).toBe('failed');
      expect((await row()).host).toBe(destination.hostname);
      expect([...lab.placement.claims].map(([consumer, claim]) => [consumer, claim.hostId])).toEqual([[server, destination.hostId]]);
      await reset('error');
      await beats();
      await lab.conductors[0]!.verify(true);
      expect(await reaped()).toEqual([]);
      expect(lab.agents.filter(({ domains }) => domains.has(server))).toEqual(expect.arrayContaining([source, destination]));
      expect(source.executed.filter(({ verb, generation }) => verb !== 'migrateLive' && generation === seen.generation)).toEqual([]);
      // Whoever starts it anew has given the old memory up, and what the source still has is taken away.
      expect((await lab.call('POST', `/v2.1/servers/${server}/action`, { reboot: { type: 'HARD' } })).status).toBe(202);
      await lab.serverUntil(server, ({ status }) => status === 'ACTIVE');
      await lab.until(async () => { await beats(); return source.domains.has(server); }, (has) => !has);
      await expectOnePlace();
    });

    it.each<[string, 'moved' | 'doubtful', boolean, { standing: MigrationStanding; powerState: number } | 'silent', string, 'destination' | 'source', string]>([
      ['has moved to a destination that has fallen silent', 'moved', false, 'silent', 'ACTIVE', 'destination', 'completed'],
      ['has moved and is off there', 'moved', false, { standing: 'off', powerState: 4 }, 'ERROR', 'destination', 'failed'],
      ['never left a source that says nothing', 'doubtful', false, { standing: 'gone', powerState: 0 }, 'ACTIVE', 'source', 'failed'],
      ['arrived from a source that says nothing', 'doubtful', false, { standing: 'here', powerState: 1 }, 'ACTIVE', 'destination', 'completed'],
      ['may be anywhere', 'doubtful', false, 'silent', 'ERROR', 'source', 'failed'],
      ['was past the switch when both fell silent', 'doubtful', true, 'silent', 'ERROR', 'destination', 'failed'],
    ])('books a guest that %s where it is', async (_name, outcome, switched, told, status, place, migration) => {
      await begin();
      if (switched) await progress({ mode: 'post-copy' });
      const ends = await endWith(outcome, told);
      expect([ends.seen.status, (await row()).host, (await newest()).status]).toEqual([status, ends[place].hostname, migration]);
      if (status === 'ERROR' && told === 'silent') {
        const had = lab.agents.filter(({ domains }) => domains.has(server));
        await beats();
        expect(await lab.db.selectFrom('operations').select('id').where('instance_id', '=', server).where('kind', '=', 'reap-instance').where('state', 'in', ['pending', 'running', 'parked']).execute()).toEqual([]);
        expect(lab.agents.filter(({ domains }) => domains.has(server))).toEqual(had);
      }
      // As an operator would end it: whole on the host of the books, nowhere else.
      for (const agent of lab.agents) agent.domains.delete(server);
      (await agentOf()).domains.set(server, 1);
      await reset('active');
      await expectOnePlace();
    });

    it('of a server that is deleted leaves nothing', async () => {
      await begin();
      expect((await lab.call('DELETE', `/v2.1/servers/${server}`)).status).toBe(204);
      await lab.gone(server);
      expect(lab.agents.filter(({ domains }) => domains.has(server))).toEqual([]);
      expect(lab.placement.claims.size).toBe(0);
      expect(lab.network.ports.size).toBe(0);
      expect(await lab.db.selectFrom('migrations').select('status').where('uuid', '=', uuid).executeTakeFirst()).toEqual({ status: 'cancelled' });
    });
  });
});
