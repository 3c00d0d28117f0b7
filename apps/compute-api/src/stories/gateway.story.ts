import { startLab, type Lab } from './lab';

describe('the gateway of the agents', () => {
  let lab: Lab;
  let flavor: string;
  let image: string;
  let net: string;
  beforeAll(async () => {
    lab = await startLab({ hosts: 2 });
    flavor = await lab.makeFlavor();
    image = lab.images.add();
    net = lab.network.addNetwork('net1');
  });
  afterAll(() => lab.stop());
  const create = async (more: Record<string, unknown> = {}) =>
    (await lab.call('POST', '/v2.1/servers', { server: { name: 'my server', imageRef: image, flavorRef: flavor, networks: [{ uuid: net }], ...more } })).body.server;

  it('hands out images only to hosts that build with them', async () => {
    const [first, second] = lab.agents as [Lab['agents'][number], Lab['agents'][number]];
    first.behaviour.build = 'silent';
    const { id } = await create();
    await lab.until(async () => first.executed.length, (count) => count === 1);
    await expect(first.client.imageTicket({ hostId: first.hostId, imageId: image })).resolves.toMatchObject({ url: expect.stringContaining(image), diskFormat: 'qcow2' });
    await expect(first.client.imageTicket({ hostId: first.hostId, imageId: lab.images.add() })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(second.client.imageTicket({ hostId: second.hostId, imageId: image })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(second.client.imageTicket({ hostId: first.hostId, imageId: image })).rejects.toMatchObject({ kind: 'forbidden' });
    delete first.behaviour.build;
    await first.report(first.executed[0]!);
    await lab.active(id);
    await expect(first.client.imageTicket({ hostId: first.hostId, imageId: image })).rejects.toMatchObject({ kind: 'forbidden' });
    await lab.call('DELETE', `/v2.1/servers/${id}`);
    await lab.gone(id);
  });

  it('tells the metadata of its own instances to a host', async () => {
    const [first, second] = lab.agents as [Lab['agents'][number], Lab['agents'][number]];
    const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGx8oO4c0YbJ5v0hT1z1O1m5oUu4oQnO0v1QmB5mZs1K gold@lab';
    await lab.call('POST', '/v2.1/os-keypairs', { keypair: { name: 'mykey', public_key: key } });
    first.behaviour.build = 'silent';
    const { id, adminPass } = await create({ key_name: 'mykey', user_data: Buffer.from('#!/bin/sh\necho hello').toString('base64'), metadata: { role: 'web' }, config_drive: true });
    await lab.until(async () => first.executed.find(({ instanceId }) => instanceId === id), (command) => command !== undefined);
    // What may be secret does not travel with the command.
    const command = first.executed.find(({ instanceId }) => instanceId === id)!;
    expect(JSON.stringify(command)).not.toContain(adminPass);
    expect(JSON.stringify(command)).not.toContain('IyEvYmlu');
    expect(command.args).toMatchObject({ configDrive: true, hostname: 'my-server', displayName: 'my server', flavor: { vcpus: 1, memoryMb: 64, rootGb: 1 }, ports: [{ networkName: 'net1' }] });

    const read = async () => (await first.client.instanceMetadata({ hostId: first.hostId, instanceId: id })).documents;
    const documents = await read();
    const text = (path: string) => Buffer.from(documents[path]!, 'base64').toString();
    const meta = JSON.parse(text('openstack/latest/meta_data.json'));
    expect(meta).toMatchObject({ uuid: id, name: 'my server', hostname: 'my-server', meta: { role: 'web' }, public_keys: { mykey: key }, keys: [{ name: 'mykey', type: 'ssh', data: key }], admin_pass: adminPass, launch_index: 0, project_id: lab.projectId });
    expect(text('openstack/2018-08-27/user_data')).toBe('#!/bin/sh\necho hello');
    const network = JSON.parse(text('openstack/latest/network_data.json'));
    const [port] = lab.network.portsOf(id);
    expect(network).toMatchObject({
      links: [{ vif_id: port!.portId, ethernet_mac_address: port!.macAddress, mtu: 1442, type: 'ovs' }], networks: [{ type: 'ipv4_dhcp', network_id: net }], services: [{ type: 'dns', address: '9.9.9.9' }],
    });
    expect(network.networks[0].link).toBe(network.links[0].id);
    expect(text('latest/meta-data/local-ipv4')).toBe(port!.fixedIps[0]!.ipAddress);
    expect(text('2009-04-04/meta-data/public-keys/0/openssh-key')).toBe(key);
    expect(text('latest/user-data')).toContain('echo hello');
    expect(documents).not.toHaveProperty(['openstack/2012-08-10/network_data.json']);
    expect(text('openstack/2020-10-14/vendor_data2.json')).toBe('{}');

    await expect(second.client.instanceMetadata({ hostId: second.hostId, instanceId: id })).rejects.toMatchObject({ kind: 'notFound' });
    await expect(second.client.instanceMetadata({ hostId: first.hostId, instanceId: id })).rejects.toMatchObject({ kind: 'forbidden' });
    delete first.behaviour.build;
    await first.report(command);
    await lab.active(id);
    expect(JSON.parse(Buffer.from((await read())['openstack/latest/meta_data.json']!, 'base64').toString())).not.toHaveProperty('admin_pass');
    await lab.call('DELETE', `/v2.1/servers/${id}`);
    await lab.gone(id);
  });

  it('sees guests that go off by themselves, and never believes an old report', async () => {
    const [agent] = lab.agents as [Lab['agents'][number]];
    const { id } = await create();
    await lab.active(id);
    const look = async () => (await lab.call('GET', `/v2.1/servers/${id}`)).body.server;
    // This report may have been made before the boot was done.
    agent.domains.set(id, 4);
    await agent.heartbeat();
    expect((await look()).status).toBe('ACTIVE');
    // This one was made after the former was answered.
    await agent.heartbeat();
    expect(await look()).toMatchObject({ status: 'SHUTOFF', 'OS-EXT-STS:vm_state': 'stopped', 'OS-EXT-STS:power_state': 4 });
    await lab.call('POST', `/v2.1/servers/${id}/action`, { 'os-start': null });
    await lab.serverUntil(id, ({ status }) => status === 'ACTIVE');
    await agent.heartbeat();
    await agent.heartbeat();
    await agent.guestChanges(id, 4);
    expect((await look()).status).toBe('SHUTOFF');
    await lab.call('POST', `/v2.1/servers/${id}/action`, { 'os-start': null });
    await lab.serverUntil(id, ({ status }) => status === 'ACTIVE');
    await agent.client.instanceEvent({ hostId: agent.hostId, instanceId: id, powerState: 4, reason: 'late', sequence: 1 });
    expect((await look()).status).toBe('ACTIVE');
    await expect(lab.agents[1]!.client.instanceEvent({ hostId: agent.hostId, instanceId: id, powerState: 4, reason: 'forged', sequence: 99 })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(lab.agents[1]!.client.instanceEvent({ hostId: lab.agents[1]!.hostId, instanceId: id, powerState: 4, reason: 'not mine', sequence: 99 })).resolves.toEqual({});
    expect((await look()).status).toBe('ACTIVE');
    await lab.call('DELETE', `/v2.1/servers/${id}`);
    await lab.gone(id);
  });

  it('refuses a host that takes another\'s name, and a report in another\'s name', async () => {
    const [first, second] = lab.agents as [Lab['agents'][number], Lab['agents'][number]];
    const usage = { memoryMbUsed: 0, diskGbUsed: 0, runningInstances: 0, load: '0' };
    await expect(second.client.heartbeat({ facts: first.facts(), usage, instances: [], sequence: 9 })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(second.client.heartbeat({ facts: { ...second.facts(), hostname: 'host1' }, usage, instances: [], sequence: 9 })).rejects.toThrow();
    expect((await lab.db.selectFrom('hosts').select('hostname').where('id', '=', second.hostId).executeTakeFirstOrThrow()).hostname).toBe('host2');
  });
});
