import { newUuid } from '@virga/core';
import type { NetworkHarness as Harness, ApiUser } from './testing/network-harness';
import { NetworkHarness } from './testing/network-harness';

let harness: Harness;
let user: ApiUser;
let admin: ApiUser;

beforeAll(async () => {
  harness = await NetworkHarness.start('network_ovn_story');
  [user, admin] = [harness.user(), harness.admin()];
});
afterAll(() => harness.stop());

/** A column of the rows that meet the conditions, as ovn-nbctl prints it. */
const find = async (table: string, column: string, ...conditions: string[]): Promise<string> =>
  (await harness.ovn.nbctl('--bare', `--columns=${column}`, 'find', table, ...conditions)).trim();
const ofPort = (id: string, column: string) => find('Logical_Switch_Port', column, `name=${id}`);
const actor = (who: ApiUser, roles = ['member', 'reader']) => ({ requestId: 'req-1', userId: 'u', projectId: who.projectId, roles });

async function makeNetwork(cidr: string, more: object = {}) {
  const network = await user.make('networks', 'network', { name: `n-${cidr}` });
  const subnet = await user.make('subnets', 'subnet', { network_id: network.id, ip_version: 4, cidr, ...more });
  return { network, subnet };
}

describe('northbound rows', () => {
  it('of a network: switch, DHCP with the way to the metadata service, metadata port', async () => {
    const { network, subnet } = await makeNetwork('10.20.0.0/24', { dns_nameservers: ['192.0.2.53', '192.0.2.54'], host_routes: [{ destination: '10.99.0.0/16', nexthop: '10.20.0.9' }] });
    await harness.written();
    expect(await find('Logical_Switch', 'name', `external_ids:virga\\:id=${network.id}`)).toBe(`virga-${network.id}`);
    const options = await find('DHCP_Options', 'options', `external_ids:virga\\:id=${subnet.id}`);
    expect(options).toContain('router=10.20.0.1');
    expect(options).toContain('mtu=1442');
    expect(options).toContain('dns_server={192.0.2.53, 192.0.2.54}');
    expect(options).toContain('classless_static_route={169.254.169.254/32,10.20.0.2, 10.99.0.0/16,10.20.0.9, 0.0.0.0/0,10.20.0.1}');
    const metadata = (await user.get(`ports?network_id=${network.id}&device_owner=network:distributed`)).body.ports[0];
    expect(metadata.device_id).toBe(`ovnmeta-${network.id}`);
    expect(await ofPort(metadata.id, 'type')).toBe('localport');
    expect(await ofPort(metadata.id, 'addresses')).toBe(`${metadata.mac_address} 10.20.0.2`);

    await user.put(`subnets/${subnet.id}`, { subnet: { dns_nameservers: [], enable_dhcp: false } });
    await harness.written();
    expect(await find('DHCP_Options', 'options', `external_ids:virga\\:id=${subnet.id}`)).toBe('');
    await user.delete(`networks/${network.id}`);
    await harness.written();
    for (const table of ['Logical_Switch', 'DHCP_Options', 'Logical_Switch_Port']) expect(await find(table, 'name'.replace('name', '_uuid'), `external_ids:virga\\:id=${network.id}`)).toBe('');
    expect(await ofPort(metadata.id, '_uuid')).toBe('');
  });

  it('of a port: address, anti-spoofing, DHCP, groups', async () => {
    const { network, subnet } = await makeNetwork('10.21.0.0/24');
    const port = await user.make('ports', 'port', { network_id: network.id, fixed_ips: [{ ip_address: '10.21.0.50' }], allowed_address_pairs: [{ ip_address: '10.21.0.99' }, { ip_address: '10.30.0.0/16', mac_address: 'fa:16:3e:aa:aa:aa' }] });
    await harness.written();
    expect((await ofPort(port.id, 'addresses')).split('\n').join(' ')).toContain(`${port.mac_address} 10.21.0.50`);
    expect(await ofPort(port.id, 'port_security')).toContain(`${port.mac_address} 10.21.0.50 10.21.0.99`);
    expect(await ofPort(port.id, 'port_security')).toContain('fa:16:3e:aa:aa:aa 10.30.0.0/16');
    expect(await ofPort(port.id, 'dhcpv4_options')).toBe(await find('DHCP_Options', '_uuid', `external_ids:virga\\:id=${subnet.id}`));
    const uuid = await ofPort(port.id, '_uuid');
    const group = `virga_pg_${port.security_groups[0].replaceAll('-', '_')}`;
    expect(await find('Port_Group', 'ports', `name=${group}`)).toContain(uuid);
    expect(await find('Port_Group', 'ports', 'name=virga_pg_drop')).toContain(uuid);
    expect(await find('ACL', 'match', `match="outport == @${group} && ip4 && ip4.src == $${group}_ip4"`)).not.toBe('');

    await user.put(`ports/${port.id}`, { port: { security_groups: [], allowed_address_pairs: [], port_security_enabled: false, admin_state_up: false } });
    await harness.written();
    expect(await ofPort(port.id, 'port_security')).toBe('');
    expect(await ofPort(port.id, 'addresses')).toContain('unknown');
    expect(await ofPort(port.id, 'enabled')).toBe('false');
    expect(await find('Port_Group', 'ports', 'name=virga_pg_drop')).not.toContain(uuid);
    await user.delete(`ports/${port.id}`);
    await harness.written();
    expect(await ofPort(port.id, '_uuid')).toBe('');
  });

  it('of a port with DHCP options of its own: the subnet\'s, and its own on top', async () => {
    const { network, subnet } = await makeNetwork('10.19.0.0/24');
    const port = await user.make('ports', 'port', { network_id: network.id, extra_dhcp_opts: [{ opt_name: 'bootfile-name', opt_value: 'pxelinux.0' }, { opt_name: 'tftp-server', opt_value: '192.0.2.7' }] });
    expect(port.extra_dhcp_opts).toContainEqual({ opt_name: 'bootfile-name', opt_value: 'pxelinux.0', ip_version: 4 });
    await harness.written();
    const options = async () => (await harness.ovn.nbctl('get', 'DHCP_Options', await ofPort(port.id, 'dhcpv4_options'), 'options')).trim();
    expect(await options()).toContain('bootfile_name="\\"pxelinux.0\\""');
    expect(await options()).toContain('router="10.19.0.1"');
    await user.put(`subnets/${subnet.id}`, { subnet: { dns_nameservers: ['192.0.2.53'] } });
    await harness.written();
    expect(await options()).toContain('dns_server="{192.0.2.53}"');
    await user.put(`ports/${port.id}`, { port: { extra_dhcp_opts: [{ opt_name: 'bootfile-name', opt_value: null }, { opt_name: 'tftp-server', opt_value: null }] } });
    await harness.written();
    expect(await ofPort(port.id, 'dhcpv4_options')).toBe(await find('DHCP_Options', '_uuid', `external_ids:virga\\:id=${subnet.id}`));
    expect(await find('DHCP_Options', '_uuid', `external_ids:virga\\:id=${port.id}`)).toBe('');
    expect((await user.put(`ports/${port.id}`, { port: { extra_dhcp_opts: [{ opt_name: 'router', opt_value: '1.1.1.1\nx' }] } })).status).toBe(400);
  });

  it('of a security group follow its rules', async () => {
    const group = await user.make('security-groups', 'security_group', { name: 'web' });
    const rule = (attributes: object) => user.make('security-group-rules', 'security_group_rule', { security_group_id: group.id, direction: 'ingress', ...attributes });
    const http = await rule({ protocol: 'tcp', port_range_min: 80, port_range_max: 81, remote_ip_prefix: '10.0.0.0/8' });
    await rule({ protocol: 'icmp', ethertype: 'IPv6', port_range_min: 128 });
    await rule({ protocol: 'gre' });
    await harness.written();
    const name = `virga_pg_${group.id.replaceAll('-', '_')}`;
    const matches = await find('ACL', 'match', `external_ids:virga\\:id=${group.id}`);
    expect(matches.split('\n').filter((line) => line !== '').sort()).toEqual([
      `inport == @${name} && ip4`, `inport == @${name} && ip6`,
      `outport == @${name} && ip4 && ip.proto == 47`,
      `outport == @${name} && ip4 && ip4.src == 10.0.0.0/8 && tcp && tcp.dst >= 80 && tcp.dst <= 81`,
      `outport == @${name} && ip6 && icmp6 && icmp6.type == 128`,
    ]);
    // northd refuses a match that it cannot read, with a line in its log and no flow.
    expect(await harness.ovn.sbctl('--bare', '--columns=name', 'find', 'Port_Group')).toBeDefined();
    await user.delete(`security-group-rules/${http.id}`);
    await harness.written();
    expect(await find('ACL', 'match', `external_ids:virga\\:id=${group.id}`)).not.toContain('tcp.dst');
    expect((await user.delete(`security-groups/${group.id}`)).status).toBe(204);
    await harness.written();
    expect(await find('Port_Group', 'name', `name=${name}`)).toBe('');
  });

  it('damaged by hand are repaired, and rows of others are left alone', async () => {
    const { network, subnet } = await makeNetwork('10.22.0.0/24');
    const port = await user.make('ports', 'port', { network_id: network.id });
    await harness.written();
    const { nbctl } = harness.ovn;
    await nbctl('ls-add', 'foreign');
    await nbctl('lsp-add', 'foreign', 'foreign-port');
    await nbctl('pg-add', 'foreign_pg', 'foreign-port');
    const before = [await ofPort(port.id, 'addresses'), await ofPort(port.id, 'port_security'), await find('DHCP_Options', 'options', `external_ids:virga\\:id=${subnet.id}`)];

    await nbctl('lsp-set-port-security', port.id);
    await nbctl('lsp-set-addresses', port.id, 'unknown');
    await nbctl('set', 'Logical_Switch_Port', port.id, 'external_ids:someone=else');
    await nbctl('clear', 'DHCP_Options', await find('DHCP_Options', '_uuid', `external_ids:virga\\:id=${subnet.id}`), 'options');
    await nbctl('clear', 'Port_Group', 'virga_pg_drop', 'ports');
    await nbctl('clear', 'Port_Group', 'virga_pg_drop', 'acls');
    const gone = await makeNetwork('10.23.0.0/24');
    const lost = await user.make('ports', 'port', { network_id: gone.network.id });
    await harness.written();
    await nbctl('ls-del', `virga-${gone.network.id}`);
    // A row with our mark that belongs to nothing.
    await nbctl('--', '--id=@x', 'create', 'Logical_Switch', 'name=stray', `external_ids={"virga:kind"=network,"virga:id"="${newUuid()}","virga:part"=switch}`);

    harness.app.writer.reconcileSoon();
    await harness.until('repaired', async () => (await ofPort(lost.id, 'addresses')) !== '' && (await find('Logical_Switch', 'name', 'name=stray')) === '');
    expect([await ofPort(port.id, 'addresses'), await ofPort(port.id, 'port_security'), await find('DHCP_Options', 'options', `external_ids:virga\\:id=${subnet.id}`)]).toEqual(before);
    expect(await find('Port_Group', 'ports', 'name=virga_pg_drop')).toContain(await ofPort(port.id, '_uuid'));
    expect((await find('Port_Group', 'acls', 'name=virga_pg_drop')).split(' ')).toHaveLength(4);
    expect(await find('Port_Group', 'ports', 'name=foreign_pg')).toBe(await ofPort('foreign-port', '_uuid'));
    expect(await find('Logical_Switch', 'name', 'name=foreign')).toBe('foreign');
    expect(await ofPort(port.id, 'external_ids')).toContain('someone=else');
    // What was repaired is not repaired again.
    expect(await harness.app.writer.reconcile()).toMatchObject({ repaired: 0, removed: 0, failed: 0 });
  });

  it('tell a port\'s status: up is ACTIVE', async () => {
    const { network } = await makeNetwork('10.24.0.0/24');
    const port = await user.make('ports', 'port', { network_id: network.id });
    await harness.written();
    // What a host does when the card is plugged in, and when it is pulled.
    const { sbctl, nbctl } = harness.ovn;
    await nbctl('--wait=sb', 'sync');
    await sbctl('chassis-add', 'chassis1', 'geneve', '127.0.0.1');
    await sbctl('lsp-bind', port.id, 'chassis1', '--', 'set', 'Port_Binding', port.id, 'up=true');
    await harness.until('ACTIVE', async () => (await user.get(`ports/${port.id}`)).body.port.status === 'ACTIVE');
    await sbctl('lsp-unbind', port.id, '--', 'set', 'Port_Binding', port.id, 'up=false');
    await harness.until('DOWN', async () => (await user.get(`ports/${port.id}`)).body.port.status === 'DOWN');
  });
});

describe('the writer', () => {
  it('loses nothing while the northbound database is away', async () => {
    const { network } = await makeNetwork('10.41.0.0/24');
    const before = await user.make('ports', 'port', { network_id: network.id });
    await harness.written();
    await harness.ovn.northboundServer.kill();
    const during = await user.make('ports', 'port', { network_id: network.id });
    expect((await user.delete(`ports/${before.id}`)).status).toBe(204);
    await expect(harness.client.bindPorts({ instanceId: newUuid(), hostId: 'h', hostname: 'h' })).resolves.toEqual({ ports: [] });
    await harness.ovn.northboundServer.start();
    await harness.written();
    expect(await ofPort(during.id, 'addresses')).toContain(during.mac_address);
    expect(await ofPort(before.id, '_uuid')).toBe('');
  });
});

describe('the contract', () => {
  it('makes, binds and releases an instance\'s ports, each step as often as asked', async () => {
    const { network, subnet } = await makeNetwork('10.25.0.0/24', { dns_nameservers: ['192.0.2.53'] });
    const own = await user.make('ports', 'port', { network_id: network.id, name: 'mine', fixed_ips: [{ ip_address: '10.25.0.200' }] });
    const [instanceId, who] = [newUuid(), actor(user)];
    const resolved = await harness.client.resolveRequested({ actor: who, requested: [{ portId: own.id }, { networkId: network.id, fixedIp: '10.25.0.201' }], securityGroups: ['default'], count: 1 });
    expect(resolved).toMatchObject({ networks: [{ portId: own.id, networkId: network.id }, { networkId: network.id, fixedIp: '10.25.0.201' }], newPorts: 1 });
    const request = { actor: who, instanceId, hostname: 's1', availabilityZone: 'nova', networks: resolved.networks, securityGroupIds: resolved.securityGroupIds };
    await Promise.all([harness.client.allocatePorts(request), harness.client.allocatePorts(request)]);
    const first = await harness.client.instancePorts({ instanceId });
    await harness.client.allocatePorts(request);
    expect(await harness.client.instancePorts({ instanceId })).toEqual(first);
    expect(first.ports.map(({ fixedIps, ownedByInstance }) => [fixedIps[0]!.ipAddress, ownedByInstance])).toEqual([['10.25.0.200', false], ['10.25.0.201', true]]);
    expect(first.ports[0]).toMatchObject({
      portId: own.id, networkName: network.name, mtu: 1442, macAddress: own.mac_address,
      fixedIps: [{ subnetId: subnet.id, cidr: '10.25.0.0/24', gatewayIp: '10.25.0.1', version: 4, dnsNameservers: ['192.0.2.53'], dhcp: true }],
      metadataPort: { addresses: ['10.25.0.2/24'] },
    });
    await expect(harness.client.resolveRequested({ actor: who, requested: [{ portId: own.id }], securityGroups: [], count: 1 })).rejects.toMatchObject({ type: 'PortInUse', status: 409 });

    const bound = await harness.client.bindPorts({ instanceId, hostId: 'h1', hostname: 'host1' });
    expect(bound.ports).toHaveLength(2);
    for (const { portId } of bound.ports) expect(await ofPort(portId, 'options')).toBe('requested-chassis=host1');
    expect((await admin.get(`ports/${own.id}`)).body.port).toMatchObject({ 'binding:host_id': 'host1', 'binding:vif_type': 'ovs', device_id: instanceId, device_owner: 'compute:nova' });
    // On its way to another host: on both, the destination silent until the guest announces itself there.
    const next = { hostId: 'h2', hostname: 'host2' };
    await harness.client.bindPorts({ instanceId, hostId: 'h1', hostname: 'host1', next });
    for (const { portId } of bound.ports) {
      expect(await ofPort(portId, 'options')).toBe('activation-strategy=rarp requested-chassis=host1,host2');
    }
    expect((await admin.get(`ports/${own.id}`)).body.port['binding:host_id']).toBe('host1');
    expect((await harness.db.selectFrom('ports').select(['binding_host_id', 'binding_next_host_id']).where('device_id', '=', instanceId).execute())).toEqual([
      { binding_host_id: 'host1', binding_next_host_id: 'host2' }, { binding_host_id: 'host1', binding_next_host_id: 'host2' },
    ]);
    for (const hostname of ['host2', 'host1']) {
      await harness.client.bindPorts({ instanceId, hostId: hostname, hostname });
      for (const { portId } of bound.ports) expect(await ofPort(portId, 'options')).toBe(`requested-chassis=${hostname}`);
    }
    expect(await harness.groupNames(instanceId)).toEqual(['default']);
    expect(await harness.groupNames(newUuid())).toEqual([]);
    const { groups: [described] } = await harness.client.describeSecurityGroups({ instanceId });
    expect(described).toMatchObject({ name: 'default', rules: expect.arrayContaining([expect.objectContaining({ direction: 'ingress', ethertype: 'IPv4', protocol: null, remoteGroup: expect.objectContaining({ name: 'default' }) })]) });
    expect(await harness.client.describeSecurityGroups({ instanceId: newUuid() })).toEqual({ groups: [] });

    // Nobody else says whose card it is: neither by taking it away, nor by claiming to be the instance.
    expect((await user.put(`ports/${own.id}`, { port: { device_id: '' } })).status).toBe(409);
    const pretender = harness.user();
    const theirs = await pretender.make('networks', 'network');
    await pretender.make('ports', 'port', { network_id: theirs.id, device_id: instanceId, device_owner: 'compute:nova' });
    expect((await harness.client.instancePorts({ instanceId })).ports).toHaveLength(2);

    await harness.client.releasePorts({ instanceId });
    await harness.client.releasePorts({ instanceId });
    expect(await harness.client.instancePorts({ instanceId })).toEqual({ ports: [] });
    expect((await admin.get(`ports/${own.id}`)).body.port).toMatchObject({ 'binding:host_id': '', device_id: '', device_owner: '' });
    expect((await user.get(`ports/${first.ports[1]!.portId}`)).status).toBe(404);
  });

  it('refuses in neutron\'s words', async () => {
    const { network } = await makeNetwork('10.26.0.0/24');
    const bare = await user.make('networks', 'network');
    const outside = await admin.make('networks', 'network', { 'router:external': true });
    const stranger = harness.user();
    const taken = await user.make('ports', 'port', { network_id: network.id, fixed_ips: [{ ip_address: '10.26.0.9' }] });
    const ask = (requested: 'auto' | object[], who: ApiUser = user, securityGroups: string[] = []) => harness.client.resolveRequested({ actor: actor(who), requested: requested as never, securityGroups, count: 1 });
    await expect(ask('auto')).rejects.toMatchObject({ type: 'NetworkAmbiguous', status: 409 });
    expect((await ask('auto', stranger)).networks).toEqual([]);
    await expect(ask([{ networkId: newUuid() }])).rejects.toMatchObject({ type: 'NetworkNotFound', status: 404 });
    await expect(ask([{ networkId: network.id }], stranger)).rejects.toMatchObject({ type: 'NetworkNotFound' });
    await expect(ask([{ portId: taken.id }], stranger)).rejects.toMatchObject({ type: 'PortNotFound' });
    await expect(ask([{ networkId: bare.id }])).rejects.toMatchObject({ type: 'NetworkRequiresSubnet', status: 400 });
    await expect(ask([{ networkId: outside.id }])).rejects.toMatchObject({ type: 'ExternalNetworkAttachForbidden', status: 403 });
    await expect(ask([{ networkId: network.id, fixedIp: '10.26.0.9' }])).rejects.toMatchObject({ type: 'IpAddressInUse', status: 409 });
    await expect(ask([{ networkId: network.id, fixedIp: '10.27.0.9' }])).rejects.toMatchObject({ type: 'InvalidIpForNetwork', status: 400 });
    await expect(ask([{ networkId: network.id }], user, ['nosuch'])).rejects.toMatchObject({ type: 'SecurityGroupNotFound', status: 404 });
  });

  it('gives an address that twenty instances want to one of them, and nothing to the others', async () => {
    const { network } = await makeNetwork('10.28.0.0/24');
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => harness.client.allocatePorts({
      actor: actor(user), instanceId: newUuid(), hostname: 's', availabilityZone: 'nova', networks: [{ networkId: network.id, fixedIp: '10.28.0.77' }], securityGroupIds: [],
    })));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject({ type: 'IpAddressInUse', status: 409 });
    expect(await harness.db.selectFrom('ports').select('id').where('network_id', '=', network.id).where('device_owner', '=', 'compute:nova').execute()).toHaveLength(1);
  });

  it('shows compute the addresses of servers in a view', async () => {
    const { network } = await makeNetwork('10.29.0.0/24');
    const instanceId = newUuid();
    await harness.client.allocatePorts({ actor: actor(user), instanceId, hostname: 's', availabilityZone: 'nova', networks: [{ networkId: network.id, fixedIp: '10.29.0.7' }], securityGroupIds: [] });
    const { ports } = await harness.client.instancePorts({ instanceId });
    const rows = await harness.db.selectFrom('server_addresses' as never).selectAll().where('instance_id' as never, '=', instanceId as never).execute();
    expect(rows).toEqual([expect.objectContaining({ instance_id: instanceId, port_id: ports[0]!.portId, network_name: network.name, mac_addr: ports[0]!.macAddress, address: '10.29.0.7', version: 4, type: 'fixed' })]);
  });
});

// The last one: afterwards this file's own process writes no more.
it('another process writes when the one that did goes', async () => {
  const { network } = await makeNetwork('10.40.0.0/24');
  await harness.written();
  const second = await harness.another();
  await harness.app.writer.stop();
  const port = await user.make('ports', 'port', { network_id: network.id });
  await harness.written();
  expect(await ofPort(port.id, 'addresses')).toContain(port.mac_address);
  await second.stop();
});
