import { startLab, type Answer, type Lab } from './lab';

/**
 * A client whose answer was lost sends its request again, maybe while the first one is still at work. The API has no key by which two requests
 * are one, and a name is no key: what a request names (a server, a port, an id that the client chose) decides what a repeat can do.
 */
describe('a request that a client repeats', () => {
  let lab: Lab;
  let flavor: string;
  let large: string;
  let image: string;
  let net: string;
  beforeAll(async () => {
    lab = await startLab({ hosts: 2, conductor: { resize: { sameHost: false } } });
    [flavor, large] = [await lab.makeFlavor(), await lab.makeFlavor('m1.large', { ram: 128, vcpus: 2 })];
    image = lab.images.add();
    net = lab.network.addNetwork('net1');
    await lab.asAdmin('PUT', `/v2.1/os-quota-sets/${lab.projectId}`, { quota_set: { instances: 50, cores: 100 } });
  });
  afterAll(() => lab.stop());

  const ask = (more: Record<string, unknown> = {}) => lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: image, flavorRef: flavor, networks: [{ uuid: net }], ...more } });
  const boot = async (more?: Record<string, unknown>) => {
    const { id } = (await ask(more)).body.server;
    await lab.active(id);
    return id as string;
  };
  const quiet = (id: string) => lab.serverUntil(id, (server) => server['OS-EXT-STS:task_state'] === null);
  const operations = async (id: string, kind: string) => (await lab.db.selectFrom('operations').select('id').where('instance_id', '=', id).where('kind', '=', kind as never).execute()).length;
  const statuses = (answers: Answer[]) => answers.map(({ status }) => status).sort();
  const portsOf = (id: string) => lab.network.portsOf(id).length;
  /** Twice at once, and once more when all has ended. */
  const thrice = async (id: string, send: () => Promise<Answer>) => {
    const together = await Promise.all([send(), send()]);
    await quiet(id);
    const late = await send();
    await quiet(id);
    return { together: statuses(together), late: late.status };
  };
  const act = (id: string, body: unknown, token = lab.member) => lab.call('POST', `/v2.1/servers/${id}/action`, body, { token });

  it.each<[string, (id: string) => Promise<Answer>, string]>([
    ['stop', (id) => act(id, { 'os-stop': null }), 'power-action'],
    ['pause', (id) => act(id, { pause: null }), 'power-action'],
    ['suspend', (id) => act(id, { suspend: null }), 'power-action'],
    ['resize', (id) => act(id, { resize: { flavorRef: large } }), 'resize-instance'],
    ['migrate', (id) => act(id, { migrate: null }, lab.admin), 'resize-instance'],
  ])('is carried out once: %s', async (_name, send, kind) => {
    const id = await boot();
    expect(await thrice(id, () => send(id))).toEqual({ together: [202, 409], late: 409 });
    expect(await operations(id, kind)).toBe(1);
    expect(portsOf(id)).toBe(1);
  });

  it.each(['confirmResize', 'revertResize'])('is carried out once: %s', async (word) => {
    const id = await boot();
    await act(id, { resize: { flavorRef: large } });
    await lab.serverUntil(id, ({ status }) => status === 'VERIFY_RESIZE');
    const { together, late } = await thrice(id, () => act(id, { [word]: null }));
    expect(together.filter((status) => status < 300)).toHaveLength(1);
    expect([...together, late].filter((status) => status >= 300).every((status) => [400, 404, 409].includes(status))).toBe(true);
    expect(await operations(id, word === 'confirmResize' ? 'confirm-resize' : 'revert-resize')).toBe(1);
    const { booked, counted } = await lab.usage();
    expect(booked).toEqual(counted);
    expect([...lab.placement.claims.keys()].filter((consumer) => consumer === id)).toHaveLength(1);
  });

  it('deletes once, and gives the quota back once', async () => {
    const kept = await boot();
    const id = await boot();
    const before = (await lab.usage()).booked.instances as number;
    const answers = await Promise.all([1, 2, 3].map(() => lab.call('DELETE', `/v2.1/servers/${id}`)));
    expect(statuses(answers).every((status) => status === 204 || status === 404)).toBe(true);
    expect(answers.some(({ status }) => status === 204)).toBe(true);
    await lab.gone(id);
    expect((await lab.call('DELETE', `/v2.1/servers/${id}`)).status).toBe(404);
    expect(await operations(id, 'delete-instance')).toBe(1);
    expect((await lab.usage()).booked.instances).toBe(before - 1);
    expect(portsOf(id)).toBe(0);
    expect(portsOf(kept)).toBe(1);
  });

  it('makes one server when it names a port, and two when it names nothing of its own', async () => {
    const port = lab.network.addPort(net, lab.projectId);
    const before = (await lab.usage()).booked.instances as number;
    const named = () => ask({ networks: [{ port }] });
    const [first] = [await named()];
    await lab.active(first!.body.server.id);
    const again = await named();
    const servers = async () => (await lab.call('GET', '/v2.1/servers/detail?limit=1000')).body.servers.filter(({ status }: { status: string }) => status === 'ACTIVE') as { id: string }[];
    // What was not refused at once has ended in ERROR; never has the port two servers.
    if (again.status === 202) await lab.serverUntil(again.body.server.id, ({ status }) => status !== 'BUILD');
    expect((await servers()).filter(({ id }) => lab.network.portsOf(id).some(({ portId }) => portId === port)).map(({ id }) => id)).toEqual([first!.body.server.id]);
    if (again.status === 202) { await lab.call('DELETE', `/v2.1/servers/${again.body.server.id}`); await lab.gone(again.body.server.id); }
    const twins = await Promise.all([ask({ name: 'twin' }), ask({ name: 'twin' })]);
    expect(statuses(twins)).toEqual([202, 202]);
    for (const { body } of twins) await lab.active(body.server.id);
    expect(new Set(twins.map(({ body }) => body.server.id)).size).toBe(2);
    const { booked, counted } = await lab.usage();
    expect(booked).toEqual(counted);
    expect(booked.instances).toBe(before + 3);
  });

  it('attaches a port once', async () => {
    const id = await boot();
    const port = lab.network.addPort(net, lab.projectId);
    const attach = () => lab.call('POST', `/v2.1/servers/${id}/os-interface`, { interfaceAttachment: { port_id: port } });
    const first = await attach();
    await quiet(id);
    const again = await attach();
    await quiet(id);
    expect(first.status).toBe(200);
    expect(again.status).toBeGreaterThanOrEqual(400);
    expect(portsOf(id)).toBe(2);
  });

  it.each<[string, string, string, unknown]>([
    ['metadata', 'PUT', '/metadata', { metadata: { a: 'b' } }],
    ['one item of metadata', 'PUT', '/metadata/a', { meta: { a: 'b' } }],
    ['tags', 'PUT', '/tags', { tags: ['x', 'y'] }],
    ['a name', 'PUT', '', { server: { name: 'again' } }],
  ])('leaves what the first one left: %s', async (_name, method, path, body) => {
    const id = await boot();
    const look = async () => (await lab.call('GET', `/v2.1/servers/${id}`)).body.server;
    const send = () => lab.call(method, `/v2.1/servers/${id}${path}`, body);
    expect((await send()).status).toBe(200);
    const { updated: _before, ...first } = await look();
    expect((await send()).status).toBe(200);
    const { updated: _after, ...second } = await look();
    expect(second).toEqual(first);
  });

  it.each<[string, string, unknown, string]>([
    ['a flavor', '/v2.1/flavors', { flavor: { name: 'once', id: 'once', ram: 64, vcpus: 1, disk: 1 } }, 'admin'],
    ['a key pair', '/v2.1/os-keypairs', { keypair: { name: 'once', type: 'ssh', public_key: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGx8oO4c0YbJ5v0hT1z1O1m5oUu4oQnO0v1QmB5mZs1K a@b' } }, 'member'],
    ['an aggregate', '/v2.1/os-aggregates', { aggregate: { name: 'once' } }, 'admin'],
  ])('is refused where the name is the key: %s', async (_name, path, body, who) => {
    const send = () => lab.call('POST', path, body, { token: who === 'admin' ? lab.admin : lab.member });
    const first = await send();
    expect([200, 201]).toContain(first.status);
    expect((await send()).status).toBe(409);
  });
});
