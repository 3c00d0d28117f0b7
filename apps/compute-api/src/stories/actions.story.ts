import { startLab, type Lab } from './lab';

describe('actions on servers', () => {
  let lab: Lab;
  let flavor: string;
  let image: string;
  beforeAll(async () => {
    lab = await startLab();
    flavor = await lab.makeFlavor();
    image = lab.images.add();
  });
  afterAll(() => lab.stop());

  const boot = async (more: Record<string, unknown> = {}) => {
    const { body } = await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: image, flavorRef: flavor, networks: 'none', ...more } });
    await lab.active(body.server.id);
    return body.server.id as string;
  };
  const act = (id: string, body: unknown, options = {}) => lab.call('POST', `/v2.1/servers/${id}/action`, body, options);
  const settled = (id: string, status: string) => lab.serverUntil(id, (server) => server.status === status && server['OS-EXT-STS:task_state'] === null);

  it('goes through all power states', async () => {
    const id = await boot();
    const agent = lab.agents[0]!;
    for (const [body, status, powerState] of [
      [{ 'os-stop': null }, 'SHUTOFF', 4], [{ 'os-start': null }, 'ACTIVE', 1], [{ pause: null }, 'PAUSED', 3], [{ unpause: null }, 'ACTIVE', 1],
      [{ suspend: null }, 'SUSPENDED', 4], [{ resume: null }, 'ACTIVE', 1], [{ reboot: { type: 'SOFT' } }, 'ACTIVE', 1], [{ reboot: { type: 'HARD' } }, 'ACTIVE', 1],
    ] as const) {
      expect(await act(id, body)).toMatchObject({ status: 202, body: null });
      expect(await settled(id, status)).toMatchObject({ 'OS-EXT-STS:power_state': powerState });
      expect(agent.domains.get(id)).toBe(powerState);
    }
    expect(agent.executed.filter(({ instanceId }) => instanceId === id).map(({ verb, args }) => `${verb} ${JSON.stringify(args)}`).slice(1)).toEqual([
      'stop {"timeoutSeconds":60}', 'start {}', 'pause {}', 'unpause {}', 'suspend {}', 'resume {}', 'reboot {"type":"SOFT","timeoutSeconds":60}', 'reboot {"type":"HARD","timeoutSeconds":0}',
    ]);
    const history = await lab.call('GET', `/v2.1/servers/${id}/os-instance-actions`);
    expect(history.body.instanceActions.map(({ action }: { action: string }) => action)).toEqual(['reboot', 'reboot', 'resume', 'suspend', 'unpause', 'pause', 'start', 'stop', 'create']);
    expect(history.body.instanceActions.every(({ message }: { message: string | null }) => message === null)).toBe(true);
    const { request_id: requestId } = history.body.instanceActions.at(-1);
    const shown = (await lab.asAdmin('GET', `/v2.1/servers/${id}/os-instance-actions/${requestId}`)).body.instanceAction;
    expect(shown.events.map(({ event, result, host }: Record<string, string>) => `${event} ${result} ${host}`)).toEqual([
      'compute_build_on_host Success host1', 'compute_bind_ports Success host1', 'compute_claim_host Success host1', 'compute_allocate_ports Success ',
    ]);
  });

  it('lets one of two through', async () => {
    const id = await boot();
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => act(id, { 'os-stop': null })));
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 409, 409, 409, 409]);
    await settled(id, 'SHUTOFF');
    const refused = await act(id, { 'os-stop': null });
    expect(refused).toMatchObject({ status: 409, body: { conflictingRequest: { code: 409, message: `Cannot 'stop' instance ${id} while it is in vm_state stopped` } } });
  });

  it('gives the state back when the host cannot do it', async () => {
    const id = await boot();
    lab.agents[0]!.behaviour.pause = { fail: 'not possible' };
    expect((await act(id, { pause: null })).status).toBe(202);
    await lab.serverUntil(id, (server) => server['OS-EXT-STS:task_state'] === null);
    expect((await lab.call('GET', `/v2.1/servers/${id}`)).body.server.status).toBe('ACTIVE');
    const [last] = (await lab.call('GET', `/v2.1/servers/${id}/os-instance-actions`)).body.instanceActions;
    expect(last).toMatchObject({ action: 'pause', message: 'Error' });
    delete lab.agents[0]!.behaviour.pause;
  });

  it('locks', async () => {
    const id = await boot();
    expect((await act(id, { lock: { locked_reason: 'mine' } })).status).toBe(202);
    expect((await lab.call('GET', `/v2.1/servers/${id}`)).body.server).toMatchObject({ locked: true, locked_reason: 'mine' });
    const locked = { status: 409, body: { conflictingRequest: { code: 409, message: `Instance ${id} is locked` } } };
    expect(await act(id, { 'os-stop': null })).toMatchObject(locked);
    expect(await lab.call('DELETE', `/v2.1/servers/${id}`)).toMatchObject(locked);
    expect(await lab.call('POST', `/v2.1/servers/${id}/metadata`, { metadata: { a: 'b' } })).toMatchObject(locked);
    expect((await act(id, { unlock: null })).status).toBe(202);
    expect((await act(id, { lock: {} })).status).toBe(202);
    expect((await act(id, { lock: null }, { token: lab.admin })).status).toBe(202);
    expect(await act(id, { unlock: null })).toMatchObject({ status: 403 });
    expect((await act(id, { unlock: null }, { token: lab.admin })).status).toBe(202);
    expect((await lab.call('DELETE', `/v2.1/servers/${id}`)).status).toBe(204);
    await lab.gone(id);
  });

  it('resets the state for administrators only', async () => {
    const id = await boot();
    expect(await act(id, { 'os-resetState': { state: 'error' } })).toMatchObject({
      status: 403, body: { forbidden: { code: 403, message: "Policy doesn't allow os_compute_api:os-admin-actions:reset_state to be performed." } },
    });
    expect((await act(id, { 'os-resetState': { state: 'error' } }, { token: lab.admin })).status).toBe(202);
    await settled(id, 'ERROR');
    expect((await act(id, { 'os-resetState': { state: 'paused' } }, { token: lab.admin })).status).toBe(400);
    expect((await act(id, { reboot: { type: 'HARD' } })).status).toBe(202);
    await settled(id, 'ACTIVE');
  });

  it('resets a state in the middle of an action, whose late result does not count', async () => {
    const id = await boot();
    lab.agents[0]!.behaviour.stop = 'silent';
    await act(id, { 'os-stop': null });
    await lab.until(async () => lab.agents[0]!.executed.find(({ instanceId, verb }) => instanceId === id && verb === 'stop'), (command) => command !== undefined);
    await act(id, { 'os-resetState': { state: 'active' } }, { token: lab.admin });
    delete lab.agents[0]!.behaviour.stop;
    await lab.agents[0]!.report(lab.agents[0]!.executed.find(({ instanceId, verb }) => instanceId === id && verb === 'stop')!);
    await lab.until(() => lab.db.selectFrom('operations').select('state').where('instance_id', '=', id).where('kind', '=', 'power-action').executeTakeFirstOrThrow(), ({ state }) => state === 'cancelled');
    expect((await lab.call('GET', `/v2.1/servers/${id}`)).body.server).toMatchObject({ status: 'ACTIVE', 'OS-EXT-STS:task_state': null });
  });

  it('shows what the guest printed', async () => {
    const id = await boot();
    lab.agents[0]!.console = 'one\ntwo\u0007\nthree';
    expect((await act(id, { 'os-getConsoleOutput': {} })).body).toEqual({ output: 'one\ntwo\nthree' });
    expect((await act(id, { 'os-getConsoleOutput': { length: 1 } })).body).toEqual({ output: 'three' });
    expect((await act(id, { 'os-getConsoleOutput': { length: '2' } })).body).toEqual({ output: 'two\nthree' });
    expect((await act(id, { 'os-getConsoleOutput': { length: 'x' } })).status).toBe(400);
  });

  it('knows no other action', async () => {
    const id = await boot();
    expect(await act(id, { nosuch: null })).toMatchObject({ status: 400, body: { badRequest: { code: 400, message: 'There is no such action: nosuch' } } });
    expect((await act(id, { unrescue: null })).status).toBe(400);
    expect((await act(id, {})).status).toBe(400);
    expect((await act(id, [])).status).toBe(400);
    expect((await act(id, { reboot: { type: 'MAYBE' } })).status).toBe(400);
    expect((await act(id, { constructor: null })).status).toBe(400);
    const stranger = lab.identity.sign();
    expect((await act(id, { 'os-stop': null }, { token: stranger })).status).toBe(404);
    const reader = lab.tokenFor({ roles: ['reader'] });
    expect((await act(id, { 'os-stop': null }, { token: reader })).status).toBe(403);
  });
});
