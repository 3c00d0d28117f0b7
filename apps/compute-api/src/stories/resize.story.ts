import { sql } from '@virga/db';
import { startLab } from './lab';
import { act, agentOf, all, asked, create, expectOnePlace, heal, lab, large, look, migrate, newest, reaches, replaceServer, resize, row, server, settled, small, VERBS } from './resize-lab';

it('gives a server another size on another host, and keeps the old one until it is confirmed', async () => {
  const source = await agentOf();
  all('receiveDisks', 'silent');
  expect((await resize()).status).toBe(202);
  const { agent, command } = await asked('receiveDisks');
  expect((await lab.call('GET', `/v2.1/servers/${server}`)).body.server).toMatchObject({ 'status': 'RESIZE', 'OS-EXT-STS:task_state': 'resize_migrated', 'OS-EXT-STS:vm_state': 'active' });
  expect(command.args).toMatchObject({ spec: { flavor: { vcpus: 2, memoryMb: 128, rootGb: 2 } }, from: { hostId: source.hostId } });
  expect(await newest()).toMatchObject({ status: 'post-migrating', migration_type: 'resize', source_compute: source.hostname, dest_compute: agent.hostname });
  // The quota of the larger size is taken from the beginning.
  expect(await lab.usage()).toMatchObject({ booked: { cores: 2, ram: 128 }, counted: { cores: 2, ram: 128 } });
  heal();
  await agent.report(command, 'ok');

  const seen = await reaches('VERIFY_RESIZE');
  expect(seen).toMatchObject({ 'OS-EXT-STS:vm_state': 'resized', 'OS-EXT-STS:power_state': 1, 'flavor': { original_name: 'large', ram: 128 }, 'OS-EXT-SRV-ATTR:host': agent.hostname });
  expect((await newest()).status).toBe('finished');
  const { uuid } = await newest();
  expect(lab.placement.claims.get(server)).toEqual({ hostId: agent.hostId, resources: { vcpus: 2, memoryMb: 128, diskGb: 2 } });
  expect(lab.placement.claims.get(uuid)).toEqual({ hostId: source.hostId, resources: { vcpus: 1, memoryMb: 64, diskGb: 1 } });
  expect([...source.aside]).toEqual([[server, uuid]]);
  expect((await look()).violations).toEqual([]);

  const confirmed = await act({ confirmResize: null });
  expect([confirmed.status, confirmed.body]).toEqual([204, null]);
  await reaches('ACTIVE');
  expect(await agentOf()).toBe(agent);
  expect(await newest()).toMatchObject({ status: 'confirmed', uuid });
  await expectOnePlace();
  const { instanceActions } = (await lab.asAdmin('GET', `/v2.1/servers/${server}/os-instance-actions`)).body;
  expect(instanceActions.map(({ action, message }: Record<string, unknown>) => [action, message])).toEqual([['confirmResize', null], ['resize', null], ['create', null]]);
});

it('goes back to the old size and host', async () => {
  const source = await agentOf();
  await resize();
  await reaches('VERIFY_RESIZE');
  all('bringBack', 'silent');
  expect((await act({ revertResize: null })).status).toBe(202);
  const { agent, command } = await asked('bringBack');
  expect((await lab.call('GET', `/v2.1/servers/${server}`)).body.server.status).toBe('REVERT_RESIZE');
  expect((await newest()).status).toBe('reverting');
  heal();
  await agent.report(command, 'ok');
  expect(await reaches('ACTIVE')).toMatchObject({ flavor: { original_name: 'small' } });
  expect(await agentOf()).toBe(source);
  expect((await newest()).status).toBe('reverted');
  await expectOnePlace();
});

it('keeps what the old size takes of the quota while the way back is open', async () => {
  await replaceServer(large);
  const flat = await lab.makeFlavor('flat', { ram: 64, vcpus: 1, disk: 2 });
  await resize(flat);
  await reaches('VERIFY_RESIZE');
  expect(await lab.usage()).toMatchObject({ booked: { cores: 2, ram: 128 }, counted: { cores: 2, ram: 128 } });
  await act({ confirmResize: null });
  await reaches('ACTIVE');
  await expectOnePlace();
});

it('leaves a server off that was off', async () => {
  await act({ 'os-stop': null });
  await reaches('SHUTOFF');
  await resize();
  expect(await reaches('VERIFY_RESIZE')).toMatchObject({ 'OS-EXT-STS:power_state': 4 });
  await act({ revertResize: null });
  await reaches('SHUTOFF');
  await expectOnePlace('stopped');
  await resize();
  await reaches('VERIFY_RESIZE');
  await act({ confirmResize: null });
  await reaches('SHUTOFF');
  await expectOnePlace('stopped');
});

it('stays on its host where that is allowed, with both copies in the books', async () => {
  const same = await startLab({ hosts: 1, conductor: { reconcileMs: 0 } });
  try {
    const [from, to] = [await same.makeFlavor('a'), await same.makeFlavor('b', { ram: 128, disk: 2 })];
    const { id } = (await same.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: same.images.add(), flavorRef: from, networks: 'none' } })).body.server;
    await same.active(id);
    const perform = (body: unknown) => same.call('POST', `/v2.1/servers/${id}/action`, body);
    for (const [word, memory] of [['revertResize', 64], ['confirmResize', 128]] as const) {
      await perform({ resize: { flavorRef: to } });
      await same.serverUntil(id, ({ status }) => status === 'VERIFY_RESIZE');
      expect(same.placement.usedOn(same.agents[0]!.hostId).memoryMb).toBe(192);
      expect([...same.agents[0]!.aside.keys()]).toEqual([id]);
      await perform({ [word]: null });
      await same.serverUntil(id, ({ status }) => status === 'ACTIVE');
      expect(same.placement.usedOn(same.agents[0]!.hostId).memoryMb).toBe(memory);
      expect([same.agents[0]!.domains.get(id), same.agents[0]!.aside.size]).toEqual([1, 0]);
    }
    // A cold migration is a change of the host.
    expect((await same.asAdmin('POST', `/v2.1/servers/${id}/action`, { migrate: null })).status).toBe(202);
    await same.until(async () => (await same.asAdmin('GET', '/v2.1/os-migrations')).body.migrations[0], ({ status, migration_type: type }) => type === 'migration' && status === 'error');
    expect(same.agents[0]!.domains.get(id)).toBe(1);
  } finally {
    await same.stop();
  }
});

describe('cold migration', () => {
  it('goes to a named host, or to one that the scheduler chooses', async () => {
    const source = await agentOf();
    const target = lab.agents.filter((agent) => agent !== source).at(-1)!;
    expect((await migrate({ host: target.hostname })).status).toBe(202);
    await reaches('VERIFY_RESIZE');
    expect(await agentOf()).toBe(target);
    expect(await newest()).toMatchObject({ migration_type: 'migration', status: 'finished', source_compute: source.hostname, dest_compute: target.hostname, dest_host: '127.0.0.1' });
    await act({ confirmResize: null });
    await reaches('ACTIVE');
    expect((await migrate(null, { version: '2.1' })).status).toBe(202);
    await reaches('VERIFY_RESIZE');
    expect(await agentOf()).not.toBe(target);
    await act({ revertResize: null });
    await reaches('ACTIVE');
    await expectOnePlace();
  });

  it('is for administrators', async () => {
    expect((await act({ migrate: null })).body).toEqual({ forbidden: { code: 403, message: "Policy doesn't allow os_compute_api:os-migrate-server:migrate to be performed." } });
  });

  it.each<[string, unknown, string, number, string | RegExp]>([
    ['an unknown host', { host: 'nosuch' }, '2.56', 400, 'Compute host nosuch could not be found.'],
    ['a host that is no name', { host: 'a/b' }, '2.56', 400, /host/],
    ['an unknown property', { nosuch: 1 }, '2.56', 400, /nosuch/],
  ])('refuses %s', async (_name, argument, version, status, message) => {
    const answer = await migrate(argument, { version });
    expect([answer.status, Object.values<any>(answer.body)[0].message]).toEqual([status, typeof message === 'string' ? message : expect.stringMatching(message)]);
    expect((await row()).task_state).toBeNull();
  });

  it('refuses the host where it is', async () => {
    expect((await migrate({ host: (await agentOf()).hostname })).body.badRequest.message).toBe('Cannot migrate to the host where the server exists.');
  });
});

describe('refusals', () => {
  it.each<[string, () => Promise<Record<string, unknown>>, number, string | RegExp]>([
    ['an unknown flavor', async () => ({ flavorRef: 'nosuch' }), 400, 'Flavor nosuch could not be found.'],
    ['an empty flavor', async () => ({ flavorRef: '' }), 400, /flavorRef/],
    ['no flavor', async () => ({}), 400, /flavorRef/],
    ['an unknown property', async () => ({ flavorRef: large, nosuch: 1 }), 400, /nosuch/],
    ['its own flavor', async () => ({ flavorRef: small }), 400, 'When resizing, instances must change flavor!'],
    ['a flavor without a disk', async () => ({ flavorRef: await lab.makeFlavor('diskless', { disk: 0 }) }), 400, 'Resize to zero disk flavor is not allowed.'],
    ['more than the quota has', async () => ({ flavorRef: await lab.makeFlavor('huge', { vcpus: 21 }) }), 403, 'Quota exceeded for cores: Requested 20, but already used 1 of 20 cores'],
  ])('%s', async (_name, body, status, message) => {
    const answer = await act({ resize: await body() });
    expect([answer.status, Object.values<any>(answer.body)[0].message]).toEqual([status, typeof message === 'string' ? message : expect.stringMatching(message)]);
    await expectOnePlace();
  });

  it('a confirmation or a way back of what was not resized', async () => {
    for (const word of ['confirmResize', 'revertResize']) {
      expect((await act({ [word]: null })).body.conflictingRequest.message).toBe(`Cannot '${word}' instance ${server} while it is in vm_state active`);
    }
    await lab.db.updateTable('instances').set({ vm_state: 'resized' }).where('id', '=', server).execute();
    expect((await act({ confirmResize: null })).body).toEqual({ badRequest: { code: 400, message: 'Instance has not been resized.' } });
    await lab.db.updateTable('instances').set({ vm_state: 'active' }).where('id', '=', server).execute();
  });

  it("another project's server, and one that is not there", async () => {
    const token = lab.tokenFor({ projectId: '0'.repeat(32) });
    for (const body of [{ resize: { flavorRef: large } }, { confirmResize: null }, { revertResize: null }]) expect((await act(body, { token })).status).toBe(404);
    expect((await lab.call('POST', '/v2.1/servers/00000000-0000-0000-0000-000000000000/action', { resize: { flavorRef: large } })).status).toBe(404);
  });

  it('one of two at once', async () => {
    const answers = await Promise.all([resize(), resize(), migrate()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 409, 409]);
    await reaches('VERIFY_RESIZE');
    expect((await resize()).body.conflictingRequest.message).toBe(`Cannot 'resize' instance ${server} while it is in vm_state resized`);
    const words = await Promise.all([act({ confirmResize: null }), act({ revertResize: null })]);
    expect(words.map(({ status }) => status).sort()[1]).toBe(409);
    await reaches('ACTIVE');
    await expectOnePlace();
  });

  it('a smaller disk, with the guest untouched', async () => {
    const big = await create(large);
    const tiny = await lab.makeFlavor('small-disk', { vcpus: 2, ram: 128, disk: 1 });
    expect((await lab.call('POST', `/v2.1/servers/${big}/action`, { resize: { flavorRef: tiny } })).status).toBe(202);
    await lab.until(() => newest(big), (migration) => migration?.status === 'error');
    expect((await lab.db.selectFrom('instance_faults').select('message').where('instance_id', '=', big).executeTakeFirstOrThrow()).message).toBe('Resize error: Unable to resize disk down.');
    expect((await lab.asAdmin('GET', `/v2.1/servers/${big}`)).body.server.status).toBe('ACTIVE');
    expect((await agentOf(big)).executed.filter(({ instanceId }) => instanceId === big).map(({ verb }) => verb)).toEqual(['build']);
    await lab.call('DELETE', `/v2.1/servers/${big}`);
    await lab.gone(big);
  });
});

it.each(VERBS)('takes all back when %s fails on every host', async (verb) => {
  const source = await agentOf();
  all(verb, { fail: 'no luck' });
  await resize();
  await lab.until(newest, ({ status }) => status === 'error');
  heal();
  await settled();
  expect(await agentOf()).toBe(source);
  expect(source.domains.get(server)).toBe(1);
  await expectOnePlace();
  const fault = await lab.db.selectFrom('instance_faults').select('message').where('instance_id', '=', server).executeTakeFirstOrThrow();
  expect(fault.message).toContain('no luck');
});

it('tries another host when one fails', async () => {
  const source = await agentOf();
  const [first, second] = lab.agents.filter((agent) => agent !== source);
  first!.behaviour.startMoved = { fail: 'no luck' };
  await resize();
  await reaches('VERIFY_RESIZE');
  expect(await agentOf()).toBe(second);
  expect(first!.domains.has(server)).toBe(false);
  await act({ confirmResize: null });
  await reaches('ACTIVE');
  await expectOnePlace();
});

it('does not start the guest anywhere else while a silent destination may have it', async () => {
  const source = await agentOf();
  const [target] = lab.agents.filter((agent) => agent !== source);
  Object.assign(target!.behaviour, { startMoved: 'silent', destroy: 'silent' });
  await migrate({ host: target!.hostname });
  await asked('startMoved');
  await lab.db.updateTable('hosts').set({ lease_until: sql<Date>`NOW(3) - INTERVAL 1 MINUTE` }).where('id', '=', target!.hostId).execute();
  await lab.serverUntil(server, (seen) => seen['OS-EXT-STS:task_state'] === null && seen.status === 'ERROR');
  expect(await agentOf()).toBe(source);
  expect(source.domains.get(server)).toBe(4);
  expect([...lab.network.ports.values()].map(({ hostname }) => hostname)).toEqual([source.hostname]);
  await target!.heartbeat();
});
