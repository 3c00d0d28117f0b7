import { newUuid } from '@virga/core';
import { NetworkHarness } from './testing/network-harness';

let harness: NetworkHarness;
beforeAll(async () => { harness = await NetworkHarness.start('network_attach_story'); });
afterAll(() => harness.stop());

async function booted() {
  const user = harness.user();
  const network = await user.make('networks', 'network', { name: 'n' });
  await user.make('subnets', 'subnet', { network_id: network.id, ip_version: 4, cidr: '10.78.0.0/24' });
  const instanceId = newUuid();
  const actor = { requestId: 'req-1', userId: 'u', projectId: user.projectId, roles: ['member', 'reader'] };
  const networkId = network.id as string;
  await harness.client.allocatePorts({ actor, instanceId, hostname: 'h', availabilityZone: 'nova', networks: [{ networkId }], securityGroupIds: [] });
  return { user, networkId, instanceId, actor };
}

it('gives an instance one more port, once however often it is asked, and takes it back', async () => {
  const { networkId, instanceId, actor } = await booted();
  const request = { actor, instanceId, availabilityZone: 'nova', network: { networkId, fixedIp: '10.78.0.77' }, newPortId: newUuid() };
  const [one, two] = await Promise.all([harness.client.attachPort(request), harness.client.attachPort(request)]);
  expect(two).toEqual(one);
  expect(one.port).toMatchObject({ portId: request.newPortId, ownedByInstance: true, fixedIps: [{ ipAddress: '10.78.0.77' }] });
  const ids = async () => (await harness.client.instancePorts({ instanceId })).ports.map(({ portId }) => portId);
  expect((await ids())[1]).toBe(request.newPortId);
  await harness.client.releasePort({ instanceId, portId: request.newPortId });
  await harness.client.releasePort({ instanceId, portId: request.newPortId });
  expect(await ids()).toHaveLength(1);
});

it('takes a port that the user brought, and gives it back unharmed', async () => {
  const { user, networkId, instanceId, actor } = await booted();
  const own = await user.make('ports', 'port', { network_id: networkId });
  const portId = own.id as string;
  const { port } = await harness.client.attachPort({ actor, instanceId, availabilityZone: 'nova', network: { portId }, newPortId: newUuid() });
  expect(port).toMatchObject({ portId, ownedByInstance: false });
  const other = newUuid();
  await expect(harness.client.attachPort({ actor, instanceId: other, availabilityZone: 'nova', network: { portId }, newPortId: newUuid() })).rejects.toMatchObject({ type: 'PortInUse' });
  await harness.client.releasePort({ instanceId, portId });
  const row = await harness.db.selectFrom('ports').select(['device_id', 'device_owner', 'binding_host_id']).where('id', '=', portId).executeTakeFirst();
  expect(row).toEqual({ device_id: '', device_owner: '', binding_host_id: '' });
});

it('refuses a port of another project and an address that is taken', async () => {
  const { networkId, instanceId, actor } = await booted();
  const stranger = await booted();
  const foreign = await stranger.user.make('ports', 'port', { network_id: stranger.networkId });
  const attach = (network: object) => harness.client.attachPort({ actor, instanceId, availabilityZone: 'nova', network, newPortId: newUuid() });
  await expect(attach({ portId: foreign.id })).rejects.toMatchObject({ type: 'PortNotFound' });
  const { ports: [first] } = await harness.client.instancePorts({ instanceId });
  await expect(attach({ networkId, fixedIp: first!.fixedIps[0]!.ipAddress })).rejects.toMatchObject({ type: 'IpAddressInUse' });
  expect((await harness.client.instancePorts({ instanceId })).ports).toHaveLength(1);
});

it('adds a security group to the ports of an instance and takes it away', async () => {
  const { user, instanceId, actor } = await booted();
  const group = await user.make('security-groups', 'security_group', { name: 'web' });
  const names = async () => harness.groupNames(instanceId);
  expect(await harness.client.changeSecurityGroup({ actor, instanceId, group: 'web', present: true })).toEqual({ name: 'web' });
  await harness.client.changeSecurityGroup({ actor, instanceId, group: group.id as string, present: true });
  expect(await names()).toEqual(['default', 'web']);
  await harness.client.changeSecurityGroup({ actor, instanceId, group: 'web', present: false });
  expect(await names()).toEqual(['default']);
  await expect(harness.client.changeSecurityGroup({ actor, instanceId, group: 'web', present: false })).rejects.toMatchObject({ type: 'SecurityGroupNotFound' });
  await expect(harness.client.changeSecurityGroup({ actor: { ...actor, projectId: newUuid() }, instanceId, group: group.id as string, present: true })).rejects.toMatchObject({ type: 'SecurityGroupNotFound' });
  await expect(harness.client.changeSecurityGroup({ actor, instanceId: newUuid(), group: 'web', present: true })).rejects.toMatchObject({ type: 'SecurityGroupCannotBeApplied' });
});
