import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OvsdbClient } from '../client';
import { WaitTimedOutError } from '../errors';
import { openVSwitch } from '../schema/open-vswitch';
import { ovnNorthbound } from '../schema/ovn-nb';
import { ovnSouthbound } from '../schema/ovn-sb';
import { TestServer, schemaFiles, storyDirectory, until } from '../testing/ovsdb-server';
import { requestSync, syncTo, waitForSync } from './ovn-sync';
import { PortRejectedError, ensureBridge, ensureOpenVSwitch, listPorts, plugPort, unplugPort } from './ovs-ports';

const directory = storyDirectory();
const at = (name: string): string => join(directory.path, name);
const databases = {
  nb: new TestServer(directory.path, 'nb', schemaFiles.northbound),
  sb: new TestServer(directory.path, 'sb', schemaFiles.southbound),
  conf: new TestServer(directory.path, 'conf', schemaFiles.openVSwitch),
};
const nb = new OvsdbClient(ovnNorthbound, { remotes: [databases.nb.remote], monitor: { Logical_Switch_Port: ['name', 'up'], NB_Global: 'all' } as const });
const sb = new OvsdbClient(ovnSouthbound, {
  remotes: [databases.sb.remote],
  monitor: { Chassis: 'all', Port_Binding: 'all', Datapath_Binding: 'all', Logical_Flow: ['logical_datapath', 'pipeline', 'match', 'actions', 'external_ids'] } as const,
});
const ovs = new OvsdbClient(openVSwitch, { remotes: [databases.conf.remote] });
const children: ChildProcess[] = [];

/** Starts a daemon of OVN or OVS in the foreground, all its files in the story's directory. */
function daemon(program: string, ...parts: string[]): void {
  const environment = { OVS_RUNDIR: directory.path, OVN_RUNDIR: directory.path, OVS_DBDIR: directory.path, OVS_SYSCONFDIR: directory.path };
  children.push(spawn(program, [...parts, '-vconsole:off', `--log-file=${at(`${program}.log`)}`], { stdio: 'ignore', env: { ...process.env, ...environment } }));
}

beforeAll(async () => {
  await Promise.all(Object.values(databases).map((server) => server.start()));
  daemon('ovn-northd', `--ovnnb-db=${databases.nb.remote}`, `--ovnsb-db=${databases.sb.remote}`, `--unixctl=${at('northd.ctl')}`);
  await Promise.all([nb.connect(), sb.connect(), ovs.connect()]);
  await until('NB_Global, which northd makes', () => nb.table('NB_Global').size === 1);
});
afterAll(async () => {
  await Promise.all([nb.close(), sb.close(), ovs.close()]);
  for (const child of children) child.kill('SIGTERM');
  await Promise.all(children.map((child) => child.exitCode ?? child.signalCode ?? new Promise((resolve) => child.once('exit', resolve))));
  await Promise.all(Object.values(databases).map((server) => server.stop()));
  directory.remove();
});

const gateway = '02:00:00:00:01:01';
const mac = (last: number): string => `02:00:00:00:00:0${last}`;

/** A small cloud: two servers on a network with DHCP and a security group, a router with SNAT and a floating IP. */
async function writeCloud(): Promise<void> {
  const tx = nb.transaction();
  const dhcp = tx.insert('DHCP_Options', {
    cidr: '10.10.0.0/24',
    options: { server_id: '10.10.0.1', server_mac: gateway, lease_time: '43200', mtu: '1442', router: '10.10.0.1', dns_server: '{9.9.9.9}', classless_static_route: '{169.254.169.254/32,10.10.0.2, 0.0.0.0/0,10.10.0.1}' },
  });
  const ports = [1, 2].map((last) => {
    const address = `${mac(last)} 10.10.0.20${last}`;
    return tx.insert('Logical_Switch_Port', { name: `port-${last}`, addresses: [address], port_security: [address], dhcpv4_options: dhcp, external_ids: { owner: 'story' } });
  });
  const toRouter = tx.insert('Logical_Switch_Port', { name: 'net1-r1', type: 'router', addresses: ['router'], options: { 'router-port': 'r1-net1' } });
  tx.insert('Logical_Switch', { name: 'net1', ports: [...ports, toRouter], external_ids: { owner: 'story' } });
  const acl = (direction: 'from-lport' | 'to-lport', priority: number, match: string, action: 'drop' | 'allow' | 'allow-related') =>
    tx.insert('ACL', { direction, priority, match, action, external_ids: { owner: 'story' } });
  tx.insert('Port_Group', {
    name: 'pg_drop',
    ports,
    acls: [acl('from-lport', 1001, 'inport == @pg_drop && ip', 'drop'), acl('to-lport', 1001, 'outport == @pg_drop && ip', 'drop'), acl('from-lport', 1003, 'inport == @pg_drop && udp.src == 68 && udp.dst == 67', 'allow')],
  });
  tx.insert('Port_Group', {
    name: 'pg_default',
    ports,
    acls: [acl('from-lport', 1002, 'inport == @pg_default && ip4', 'allow-related'), acl('to-lport', 1002, 'outport == @pg_default && ip4.src == $pg_default_ip4', 'allow-related')],
  });
  const physical = tx.insert('Logical_Switch_Port', { name: 'ext-physical', type: 'localnet', addresses: ['unknown'], options: { network_name: 'physnet1' } });
  const extRouter = tx.insert('Logical_Switch_Port', { name: 'ext-r1', type: 'router', addresses: ['router'], options: { 'router-port': 'r1-ext', 'nat-addresses': 'router' } });
  tx.insert('Logical_Switch', { name: 'ext', ports: [physical, extRouter] });
  const chassis = tx.insert('Gateway_Chassis', { name: 'r1-ext_host1', chassis_name: 'host1', priority: 1 });
  const inside = tx.insert('Logical_Router_Port', { name: 'r1-net1', mac: gateway, networks: ['10.10.0.1/24'] });
  const outside = tx.insert('Logical_Router_Port', { name: 'r1-ext', mac: '02:00:00:00:02:01', networks: ['203.0.113.10/24'], gateway_chassis: [chassis] });
  const snat = tx.insert('NAT', { type: 'snat', external_ip: '203.0.113.10', logical_ip: '10.10.0.0/24' });
  const floating = tx.insert('NAT', { type: 'dnat_and_snat', external_ip: '203.0.113.50', logical_ip: '10.10.0.201', logical_port: 'port-1', external_mac: mac(9) });
  const route = tx.insert('Logical_Router_Static_Route', { ip_prefix: '0.0.0.0/0', nexthop: '203.0.113.1', output_port: 'r1-ext' });
  tx.insert('Logical_Router', { name: 'r1', ports: [inside, outside], nat: [snat, floating], static_routes: [route] });
  const step = requestSync(tx);
  const result = await nb.commit(tx);
  await waitForSync(nb, 'sb', result.rows(step)[0]!.nb_cfg, 30_000);
}

test('northd accepts a small cloud and compiles every part of it into logical flows', async () => {
  await writeCloud();
  // That it is written down there is told by the other database: our copy of this one may be a moment behind.
  await until('the copy of the southbound database', () => sb.table('Datapath_Binding').size > 0);
  expect([...sb.table('Datapath_Binding').all()].map((row) => row.external_ids.name).sort()).toEqual(['ext', 'net1', 'r1']);
  const binding = sb.table('Port_Binding').find((row) => row.logical_port === 'port-1')!;
  expect(binding).toMatchObject({ mac: [`${mac(1)} 10.10.0.201`], chassis: null, external_ids: { owner: 'story' } });
  const flows = [...sb.table('Logical_Flow').all()];
  const stage = (name: string, pattern: RegExp) =>
    flows.filter((flow) => flow.external_ids['stage-name']!.includes(name) && pattern.test(`${flow.match} => ${flow.actions}`)).length;
  const found = {
    dhcp: stage('dhcp_options', /port-1.*put_dhcp_opts\(offerip = 10\.10\.0\.201/),
    dhcpMtu: stage('dhcp_options', /port-2.*mtu = 1442/),
    portSecurity: stage('check_port_sec', /check_in_port_sec/),
    drop: stage('ls_out_acl', /outport == @pg_drop && ip/),
    allowRelated: stage('ls_out_acl', /ip4\.src == \$pg_default_ip4/),
    dhcpRequest: stage('ls_in_acl', /udp\.src == 68/),
    snat: stage('lr_out_snat', /ip4\.src == 10\.10\.0\.0\/24.*ct_snat(_in_czone)?\(203\.0\.113\.10/),
    floatingIn: stage('lr_in_dnat', /ip4\.dst == 203\.0\.113\.50.*ct_dnat(_in_czone)?\(10\.10\.0\.201/),
    floatingOut: stage('lr_out_snat', /ip4\.src == 10\.10\.0\.201.*ct_snat(_in_czone)?\(203\.0\.113\.50/),
    defaultRoute: stage('lr_in_ip_routing', /reg0 = 203\.0\.113\.1;/),
    arpForFloating: stage('lr_in_ip_input', /arp\.tpa == 203\.0\.113\.50/),
  };
  expect(Object.entries(found).filter(([, count]) => count === 0)).toEqual([]);
});

test('waiting for a sequence number that is not reached times out', async () => {
  await expect(waitForSync(nb, 'sb', 1_000_000, 50)).rejects.toBeInstanceOf(WaitTimedOutError);
});

describe('with a host (ovs-vswitchd with its dummy datapath, ovn-controller)', () => {
  beforeAll(async () => {
    await ensureOpenVSwitch(ovs, {
      'system-id': 'host1',
      hostname: 'host1',
      'ovn-remote': databases.sb.remote,
      'ovn-encap-type': 'geneve',
      'ovn-encap-ip': '127.0.0.1',
      'ovn-bridge-mappings': 'physnet1:br-ex',
    });
    daemon('ovs-vswitchd', databases.conf.remote, '--enable-dummy=override', '--disable-system', `--unixctl=${at('vswitchd.ctl')}`);
    await until('ovs-vswitchd', () => existsSync(at('vswitchd.ctl')));
    await ensureBridge(ovs, { name: 'br-int', datapathType: 'dummy', failMode: 'secure', appliedWithinMs: 30_000 });
    await ensureBridge(ovs, { name: 'br-ex', datapathType: 'dummy' });
    expect(await ensureBridge(ovs, { name: 'br-ex', datapathType: 'dummy', appliedWithinMs: 30_000 })).toBe(false);
    daemon('ovn-controller', databases.conf.remote);
    await until('the chassis', () => sb.table('Chassis').find((row) => row.name === 'host1'));
  });

  test('a plugged port comes up, is bound to the host, and goes down when unplugged', async () => {
    const plugged = await plugPort(ovs, { bridge: 'br-int', name: 'tap-1', externalIds: { 'iface-id': 'port-1' }, appliedWithinMs: 30_000 });
    expect(plugged.ofport).toBeGreaterThan(0);
    await nb.waitForRow('Logical_Switch_Port', (row) => row.name === 'port-1' && row.up === true, 30_000);
    expect(await syncTo(nb, 'hv', 30_000)).toBeGreaterThan(1);
    const chassis = sb.table('Chassis').find((row) => row.name === 'host1')!;
    expect(sb.table('Port_Binding').find((row) => row.logical_port === 'port-1')).toMatchObject({ chassis: chassis._uuid, up: true });
    expect(chassis).toMatchObject({ hostname: 'host1', other_config: { 'ovn-bridge-mappings': 'physnet1:br-ex' } });
    const flows = execFileSync('ovs-ofctl', ['-O', 'OpenFlow15', 'dump-flows', `unix:${at('br-int.mgmt')}`], { encoding: 'utf8' });
    expect(flows.split('\n').length).toBeGreaterThan(100);
    expect(await unplugPort(ovs, { name: 'tap-1', appliedWithinMs: 30_000 })).toBe(true);
    expect(await unplugPort(ovs, { name: 'tap-1', appliedWithinMs: 30_000 })).toBe(false);
    await until('down', () => nb.table('Logical_Switch_Port').find((row) => row.name === 'port-1' && row.up === false));
    await until('unbound', () => sb.table('Port_Binding').find((row) => row.logical_port === 'port-1' && row.chassis === null));
  });

  test('an interface that ovs-vswitchd cannot make is reported with its reason', async () => {
    const error = await plugPort(ovs, { bridge: 'br-int', name: 'odd', type: 'invented', externalIds: {}, appliedWithinMs: 30_000 }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PortRejectedError);
    expect(await listPorts(ovs, { name: 'odd' })).toMatchObject([{ ofport: -1 }]);
    await unplugPort(ovs, { name: 'odd' });
  });
});
