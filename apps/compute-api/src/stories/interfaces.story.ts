import { newUuid } from '@virga/core';
import { startLab, type Lab } from './lab';

describe('cards and security groups of servers', () => {
  let lab: Lab;
  let flavor: string;
  let image: string;
  let net: string;
  beforeAll(async () => {
    lab = await startLab();
    flavor = await lab.makeFlavor();
    image = lab.images.add();
    net = lab.network.addNetwork('net1');
  });
  afterAll(() => lab.stop());

  const boot = async (more: Record<string, unknown> = {}) => {
    const { body } = await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: image, flavorRef: flavor, networks: [{ uuid: net }], ...more } });
    await lab.active(body.server.id);
    return body.server.id as string;
  };
  const attach = (id: string, interfaceAttachment: unknown, options = {}) => lab.call('POST', `/v2.1/servers/${id}/os-interface`, { interfaceAttachment }, options);
  const detach = (id: string, port: string, options = {}) => lab.call('DELETE', `/v2.1/servers/${id}/os-interface/${port}`, undefined, options);
  const act = (id: string, body: unknown, options = {}) => lab.call('POST', `/v2.1/servers/${id}/action`, body, options);
  const cards = async (id: string) => (await lab.call('GET', `/v2.1/servers/${id}/os-interface`)).body.interfaceAttachments.map(({ port_id: port }: { port_id: string }) => port) as string[];
  const verbsOf = (id: string) => lab.agents[0]!.executed.filter(({ instanceId }) => instanceId === id).map(({ verb }) => verb);

  it('attaches by network, by address and by port, and detaches', async () => {
    const id = await boot();
    const [first] = await cards(id);
    const byNet = await attach(id, { net_id: net });
    expect(byNet).toMatchObject({
      status: 200, body: { interfaceAttachment: { net_id: net, port_id: expect.any(String), mac_addr: expect.any(String), port_state: expect.any(String), fixed_ips: [{ ip_address: expect.any(String) }], tag: null } },
    });
    const byAddress = await attach(id, { net_id: net, fixed_ips: [{ ip_address: '10.10.0.99' }] });
    expect(byAddress.body.interfaceAttachment.fixed_ips).toMatchObject([{ ip_address: '10.10.0.99' }]);
    const own = lab.network.addPort(net, lab.projectId);
    expect((await attach(id, { port_id: own }, { version: '2.1' })).body.interfaceAttachment).not.toHaveProperty('tag');
    expect(await cards(id)).toEqual(expect.arrayContaining([first, byNet.body.interfaceAttachment.port_id, byAddress.body.interfaceAttachment.port_id, own]));
    expect((await lab.call('GET', `/v2.1/servers/${id}`)).body.server).toMatchObject({ status: 'ACTIVE', 'OS-EXT-STS:task_state': null });

    expect(await detach(id, own)).toMatchObject({ status: 202, body: null });
    expect(lab.network.ports.get(own)).toMatchObject({ instanceId: null });
    expect((await detach(id, byNet.body.interfaceAttachment.port_id)).status).toBe(202);
    expect(lab.network.ports.has(byNet.body.interfaceAttachment.port_id)).toBe(false);
    expect(await cards(id)).toHaveLength(2);
    expect(verbsOf(id)).toEqual(['build', 'attachNic', 'attachNic', 'attachNic', 'detachNic', 'detachNic']);
    const history = await lab.call('GET', `/v2.1/servers/${id}/os-instance-actions`);
    expect(history.body.instanceActions.slice(0, 3).map(({ action }: { action: string }) => action)).toEqual(['detach_interface', 'detach_interface', 'attach_interface']);
  });

  it('takes the only network when none is named', async () => {
    const id = await boot();
    expect((await lab.call('POST', `/v2.1/servers/${id}/os-interface`, {})).status).toBe(200);
    expect(await cards(id)).toHaveLength(2);
  });

  it('gives everything back when the host cannot do it', async () => {
    const id = await boot();
    lab.agents[0]!.behaviour.attachNic = { fail: 'no port left' };
    const before = lab.network.ports.size;
    expect(await attach(id, { net_id: net })).toMatchObject({ status: 500, body: { computeFault: { message: `Failed to attach network adapter device to ${id}` } } });
    delete lab.agents[0]!.behaviour.attachNic;
    expect(lab.network.ports.size).toBe(before);
    expect((await lab.call('GET', `/v2.1/servers/${id}`)).body.server).toMatchObject({ status: 'ACTIVE', 'OS-EXT-STS:task_state': null });
    expect(verbsOf(id)).toEqual(['build', 'attachNic', 'detachNic']);

    const [port] = await cards(id);
    lab.agents[0]!.behaviour.detachNic = { fail: 'The guest did not let go of its network card.' };
    expect((await detach(id, port!)).status).toBe(202);
    delete lab.agents[0]!.behaviour.detachNic;
    expect(await cards(id)).toEqual([port]);
    const [last] = (await lab.call('GET', `/v2.1/servers/${id}/os-instance-actions`)).body.instanceActions;
    expect(last).toMatchObject({ action: 'detach_interface', message: 'Error' });
  });

  it('refuses what nova refuses, and leaves nothing of it', async () => {
    const id = await boot();
    const [port] = await cards(id);
    const foreign = lab.network.addPort(net, 'another project');
    const before = lab.network.ports.size;
    for (const [body, status] of [
      [{ net_id: net, port_id: port }, 400], [{ fixed_ips: [{ ip_address: '10.10.0.4' }] }, 400], [{ port_id: port }, 409], [{ port_id: newUuid() }, 404], [{ port_id: foreign }, 404],
      [{ net_id: newUuid() }, 404], [{ net_id: 'x' }, 400], [{ net_id: net, fixed_ips: [{ ip_address: 'x' }] }, 400], [{ net_id: net, more: 1 }, 400],
    ] as const) {
      const answer = await attach(id, body);
      expect([body, answer.status]).toEqual([body, status]);
    }
    expect((await attach(id, { net_id: net, port_id: port })).body.badRequest.message).toBe('Must not input both network_id and port_id');
    expect((await detach(id, newUuid())).status).toBe(404);
    expect((await detach(id, 'nosuch')).status).toBe(404);
    expect(lab.network.ports.size).toBe(before);
    const stranger = { token: lab.tokenFor({ projectId: newUuid() }) };
    expect((await attach(id, { net_id: net }, stranger)).status).toBe(404);
    expect((await detach(id, port!, stranger)).status).toBe(404);
    expect((await attach(id, { net_id: net }, { token: lab.tokenFor({ roles: ['reader'] }) })).status).toBe(403);
    await act(id, { lock: null });
    const locked = { status: 409, body: { conflictingRequest: { message: `Instance ${id} is locked` } } };
    expect(await attach(id, { net_id: net })).toMatchObject(locked);
    expect(await detach(id, port!)).toMatchObject(locked);
    await act(id, { unlock: null });
    await act(id, { suspend: null });
    await lab.serverUntil(id, ({ status }) => status === 'SUSPENDED');
    expect(await attach(id, { net_id: net })).toMatchObject({ status: 409, body: { conflictingRequest: { message: `Cannot 'attach_interface' instance ${id} while it is in vm_state suspended` } } });
  });

  it('adds and removes security groups', async () => {
    const id = await boot();
    lab.network.securityGroups.set('web', newUuid());
    const groups = async () => (await lab.call('GET', `/v2.1/servers/${id}`)).body.server.security_groups.map(({ name }: { name: string }) => name);
    expect(await act(id, { addSecurityGroup: { name: 'web' } })).toMatchObject({ status: 202, body: null });
    expect(await groups()).toEqual(['default', 'web']);
    expect((await act(id, { removeSecurityGroup: { name: 'web' } })).status).toBe(202);
    expect(await groups()).toEqual(['default']);
    expect((await act(id, { addSecurityGroup: { name: 'nosuch' } })).status).toBe(404);
    expect((await act(id, { addSecurityGroup: {} })).status).toBe(400);
    expect((await act(await boot({ networks: 'none' }), { addSecurityGroup: { name: 'web' } })).status).toBe(400);
    expect((await act(id, { addSecurityGroup: { name: 'web' } }, { token: lab.tokenFor({ projectId: newUuid() }) })).status).toBe(404);
  });

  it('has no way to a password inside', async () => {
    const id = await boot({ networks: 'none' });
    expect(await act(id, { changePassword: { adminPass: 'x' } })).toMatchObject({
      status: 409, body: { conflictingRequest: { message: `Failed to set admin password on ${id} because error setting admin password` } },
    });
    expect((await act(id, { changePassword: {} })).status).toBe(400);
    expect((await lab.call('GET', `/v2.1/servers/${id}/os-server-password`)).body).toEqual({ password: '' });
    expect((await lab.call('DELETE', `/v2.1/servers/${id}/os-server-password`)).status).toBe(204);
    expect((await lab.call('GET', `/v2.1/servers/${newUuid()}/os-server-password`)).status).toBe(404);
    await act(id, { 'os-stop': null });
    await lab.serverUntil(id, ({ status }) => status === 'SHUTOFF');
    expect(await act(id, { changePassword: { adminPass: 'x' } })).toMatchObject({ status: 409, body: { conflictingRequest: { message: `Cannot 'changePassword' instance ${id} while it is in vm_state stopped` } } });
  });
});
