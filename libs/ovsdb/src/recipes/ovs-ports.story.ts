import { OvsdbClient } from '../client';
import { InvalidRequestError, WaitTimedOutError } from '../errors';
import { openVSwitch } from '../schema/open-vswitch';
import { TestServer, schemaFiles, storyDirectory } from '../testing/ovsdb-server';
import { ensureBridge, ensureOpenVSwitch, listPorts, plugPort, removeBridge, unplugPort } from './ovs-ports';

const directory = storyDirectory();
const server = new TestServer(directory.path, 'conf', schemaFiles.openVSwitch);
const ovs = new OvsdbClient(openVSwitch, { remotes: [server.remote], monitor: { Bridge: 'all', Port: 'all', Interface: 'all', Open_vSwitch: 'all' } });

beforeAll(async () => {
  await server.start();
  await ovs.connect();
});
afterAll(async () => {
  await ovs.close();
  await server.stop();
  directory.remove();
});

test('nothing can be plugged before there is an Open_vSwitch row and a bridge', async () => {
  await expect(ensureBridge(ovs, { name: 'br-int' })).rejects.toBeInstanceOf(WaitTimedOutError);
  await expect(plugPort(ovs, { bridge: 'br-int', name: 'tap0', externalIds: {} })).rejects.toBeInstanceOf(InvalidRequestError);
});

test('ensureOpenVSwitch makes one row, also when called many times at once, and sets only the named keys', async () => {
  await Promise.all([1, 2, 3, 4].map(() => ensureOpenVSwitch(ovs, { 'system-id': 'h1', 'ovn-remote': 'a' })));
  await ensureOpenVSwitch(ovs, { 'ovn-remote': 'b' });
  expect([...ovs.table('Open_vSwitch').all()].map((row) => row.external_ids)).toEqual([{ 'system-id': 'h1', 'ovn-remote': 'b' }]);
});

test('ensureBridge makes a bridge with its local port once, and changes what differs', async () => {
  expect(await ensureBridge(ovs, { name: 'br-int', datapathType: 'netdev', failMode: 'secure', externalIds: { a: '1' } })).toBe(true);
  expect(await ensureBridge(ovs, { name: 'br-int', datapathType: 'netdev', failMode: 'secure', externalIds: { a: '1' } })).toBe(false);
  expect(await ensureBridge(ovs, { name: 'br-int' })).toBe(false);
  expect(await ensureBridge(ovs, { name: 'br-int', datapathType: 'system', externalIds: { b: '2' } })).toBe(true);
  expect([...ovs.table('Bridge').all()]).toMatchObject([{ name: 'br-int', datapath_type: 'system', fail_mode: 'secure', external_ids: { a: '1', b: '2' } }]);
  expect(await listPorts(ovs, { bridge: 'br-int' })).toMatchObject([{ name: 'br-int', type: 'internal' }]);
});

test('two callers who want the same bridge get one', async () => {
  const made = await Promise.all([1, 2, 3].map(() => ensureBridge(ovs, { name: 'br-ex', datapathType: 'netdev' })));
  expect(made.filter(Boolean)).toHaveLength(1);
  expect(ovs.table('Bridge').filter((row) => row.name === 'br-ex')).toHaveLength(1);
});

test('a port is plugged once, changed in place, moved between bridges, found by its marks and unplugged', async () => {
  const ids = { 'iface-id': 'port-1', 'attached-mac': '02:00:00:00:00:01' };
  const plugged = await Promise.all([1, 2, 3].map(() => plugPort(ovs, { bridge: 'br-int', name: 'tap1', externalIds: ids })));
  expect(new Set(plugged.map((port) => port.portUuid)).size).toBe(1);
  expect(plugged[0]).toMatchObject({ name: 'tap1', bridge: 'br-int', externalIds: ids, ofport: null, error: null });
  const changed = await plugPort(ovs, { bridge: 'br-int', name: 'tap1', externalIds: { 'iface-id': 'port-2' } });
  expect(changed).toMatchObject({ portUuid: plugged[0]!.portUuid, externalIds: { ...ids, 'iface-id': 'port-2' } });
  const moved = await plugPort(ovs, { bridge: 'br-ex', name: 'tap1', externalIds: {} });
  expect(moved).toMatchObject({ portUuid: plugged[0]!.portUuid, bridge: 'br-ex' });
  await plugPort(ovs, { bridge: 'br-int', name: 'tap2', externalIds: { 'iface-id': 'port-3' } });
  expect((await listPorts(ovs, { externalIds: { 'iface-id': 'port-2' } })).map((port) => port.name)).toEqual(['tap1']);
  expect((await listPorts(ovs, { bridge: 'br-int' })).map((port) => port.name).sort()).toEqual(['br-int', 'tap2']);
  expect(await unplugPort(ovs, { name: 'tap1' })).toBe(true);
  expect(await unplugPort(ovs, { name: 'tap1' })).toBe(false);
  expect(ovs.table('Port').find((row) => row.name === 'tap1')).toBeUndefined();
  expect(ovs.table('Interface').find((row) => row.name === 'tap1')).toBeUndefined();
});

test('waiting for ovs-vswitchd times out where none runs, and the port stays written', async () => {
  await expect(plugPort(ovs, { bridge: 'br-int', name: 'tap3', externalIds: {}, appliedWithinMs: 50 })).rejects.toBeInstanceOf(WaitTimedOutError);
  expect(await listPorts(ovs, { name: 'tap3' })).toHaveLength(1);
});

test('removeBridge takes its ports along', async () => {
  expect(await removeBridge(ovs, 'br-int')).toBe(true);
  expect(await removeBridge(ovs, 'br-int')).toBe(false);
  expect([...ovs.table('Port').all()].map((row) => row.name)).toEqual(['br-ex']);
});
