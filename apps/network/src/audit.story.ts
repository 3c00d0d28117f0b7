import { newUuid } from '@virga/core';
import { auditHandlers } from './rpc/audit';
import { NetworkHarness } from './testing/network-harness';

let harness: NetworkHarness;
beforeAll(async () => { harness = await NetworkHarness.start('network_audit_story'); });
afterAll(() => harness.stop());

const handlers = () => auditHandlers(harness.db, harness.app.writer);
const meta = { messageId: 'm', sender: 'conductor', redelivered: false };
const audit = () => handlers().audit({}, meta);
const allocate = async () => {
  const user = harness.user();
  const network = await user.make('networks', 'network', { name: 'n' });
  await user.make('subnets', 'subnet', { network_id: network.id, ip_version: 4, cidr: '10.77.0.0/24' });
  const instanceId = newUuid();
  const actor = { requestId: 'req-1', userId: 'u', projectId: user.projectId, roles: ['member', 'reader'] };
  await harness.client.allocatePorts({ actor, instanceId, hostname: 'h', availabilityZone: 'nova', networks: [{ networkId: network.id as string }], securityGroupIds: [] });
  await harness.written();
  const { ports: [port] } = await harness.client.instancePorts({ instanceId });
  return { instanceId, port: port! };
};

it('tells which ports belong to which instance and host', async () => {
  const { instanceId, port } = await allocate();
  await harness.client.bindPorts({ instanceId, hostId: newUuid(), hostname: 'host7' });
  const { ports } = await handlers().computePorts({}, meta);
  expect(ports).toContainEqual({ portId: port.portId, instanceId, hostname: 'host7', nextHostname: '', status: 'DOWN', ownedByInstance: true });
  await harness.client.releasePorts({ instanceId });
  expect((await handlers().computePorts({}, meta)).ports.map((other) => other.instanceId)).not.toContain(instanceId);
});

it('finds northbound rows that differ or belong to nothing, changes nothing by looking, and has them repaired on demand', async () => {
  const { port } = await allocate();
  await harness.until('nothing differs', async () => { const { differing, stale } = await audit(); return differing.length + stale.length === 0; });
  const stranger = newUuid();
  await harness.ovn.nbctl('lsp-set-addresses', port.portId, 'fa:16:3e:00:00:01 10.9.9.9');
  await harness.ovn.nbctl('ls-add', 'stray', '--', 'set', 'Logical_Switch', 'stray', 'external_ids:virga\\:kind=network', `external_ids:virga\\:id=${stranger}`, 'external_ids:virga\\:part=switch');
  await harness.until('it is seen', async () => (await audit()).stale.length > 0);
  expect(await audit()).toMatchObject({ differing: [`port/${port.portId}`], stale: [`network/${stranger}`], danglingFloatingIps: [], queued: 0 });
  expect(await audit()).toMatchObject({ differing: [`port/${port.portId}`], stale: [`network/${stranger}`] });
  await handlers().reconcile({}, meta);
  await harness.until('it is repaired', async () => { const { differing, stale } = await audit(); return differing.length + stale.length === 0; });
  expect(await harness.ovn.nbctl('lsp-get-addresses', port.portId)).toContain(port.fixedIps[0]!.ipAddress);
  expect(await harness.ovn.nbctl('ls-list')).not.toContain('stray');
});

it('a queue that is not written off is told with its age', async () => {
  await harness.app.writer.stop();
  await harness.db.insertInto('ovn_sync').values({ kind: 'port', resource_id: newUuid(), created_at: new Date(Date.now() - 120_000) }).execute();
  const { queued, oldestQueuedSeconds } = await audit();
  expect(queued).toBe(1);
  expect(oldestQueuedSeconds).toBeGreaterThan(60);
});
