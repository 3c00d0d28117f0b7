import { NetworkHarness, type ApiUser } from './testing/network-harness';

let harness: NetworkHarness;
let user: ApiUser;
let other: ApiUser;
let admin: ApiUser;
let external: { id: string };

beforeAll(async () => {
  harness = await NetworkHarness.start('network_routers_story');
  [user, other, admin] = [harness.user(), harness.user(), harness.admin()];
  external = await admin.make('networks', 'network', { name: 'public', 'router:external': true, 'provider:network_type': 'flat', 'provider:physical_network': 'physnet1' });
  await admin.make('subnets', 'subnet', { network_id: external.id, ip_version: 4, cidr: '203.0.113.0/24', enable_dhcp: false, allocation_pools: [{ start: '203.0.113.10', end: '203.0.113.200' }] });
});
afterAll(() => harness.stop());

const errorOf = ({ status, body }: { status: number; body: { NeutronError?: { type: string } } }) => [status, body.NeutronError?.type];
const nb = async (table: string, column: string, ...conditions: string[]) => (await harness.ovn.nbctl('--bare', `--columns=${column}`, 'find', table, ...conditions)).trim();

async function inside(cidr: string, who = user) {
  const network = await who.make('networks', 'network');
  const subnet = await who.make('subnets', 'subnet', { network_id: network.id, ip_version: cidr.includes(':') ? 6 : 4, cidr, ...(cidr.includes(':') && { ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' }) });
  const port = await who.make('ports', 'port', { network_id: network.id, name: 'p1' });
  return { network, subnet, port };
}
const withGateway = (who = user) => who.make('routers', 'router', { name: 'gr', external_gateway_info: { network_id: external.id } });
const attach = async (routerId: string, subnetId: string, who = user) => {
  const answer = await who.put(`routers/${routerId}/add_router_interface`, { subnet_id: subnetId });
  expect(answer.status).toBe(200);
  return answer.body;
};

describe('routers', () => {
  it('lead outside, join subnets, and are deleted when nothing hangs on them', async () => {
    const { network, subnet } = await inside('10.77.0.0/24');
    const router = await withGateway();
    expect(router).toMatchObject({ status: 'ACTIVE', admin_state_up: true, routes: [], external_gateway_info: { network_id: external.id, enable_snat: true } });
    expect(router.external_gateway_info.external_fixed_ips[0].ip_address).toMatch(/^203\.0\.113\./);
    expect(router).not.toHaveProperty('ha');
    expect((await admin.get(`routers/${router.id}`)).body.router).toMatchObject({ distributed: false, ha: true });
    expect((await other.get(`routers/${router.id}`)).status).toBe(404);
    expect((await other.put(`routers/${router.id}/add_router_interface`, { subnet_id: subnet.id })).status).toBe(404);

    const added = await attach(router.id, subnet.id);
    expect(added).toMatchObject({ id: router.id, tenant_id: user.projectId, network_id: network.id, subnet_id: subnet.id, subnet_ids: [subnet.id] });
    const again = await user.put(`routers/${router.id}/add_router_interface`, { subnet_id: subnet.id });
    expect([again.status, again.body.NeutronError]).toEqual([400, { type: 'BadRequest', message: `Bad router request: Router already has a port on subnet ${subnet.id}.`, detail: '' }]);
    expect((await user.get(`ports/${added.port_id}`)).body.port).toMatchObject({ device_owner: 'network:router_interface', device_id: router.id, fixed_ips: [{ ip_address: '10.77.0.1' }] });
    expect(errorOf(await user.delete(`ports/${added.port_id}`))).toEqual([409, 'ServicePortInUse']);
    expect((await user.put(`ports/${added.port_id}`, { port: { device_owner: '' } })).status).toBe(409);

    await harness.written();
    const lrp = `lrp-${added.port_id}`;
    expect(await nb('Logical_Router_Port', 'networks', `name=${lrp}`)).toBe('10.77.0.1/24');
    expect(await nb('Logical_Switch_Port', 'options', `name=${added.port_id}`)).toBe(`router-port=${lrp}`);
    expect(await nb('NAT', 'logical_ip', `external_ids:virga\\:id=${router.id}`)).toBe('10.77.0.0/24');
    expect(await nb('NAT', 'external_ip', `external_ids:virga\\:id=${router.id}`)).toBe(router.external_gateway_info.external_fixed_ips[0].ip_address);
    expect(await nb('Logical_Router_Static_Route', 'nexthop', `external_ids:virga\\:id=${router.id}`)).toBe('203.0.113.1');

    // A router may have another address than the gateway's, but not none.
    expect((await user.put(`ports/${added.port_id}`, { port: { fixed_ips: [{ ip_address: '10.77.0.9' }] } })).status).toBe(200);
    expect((await user.put(`ports/${added.port_id}`, { port: { fixed_ips: [] } })).status).toBe(400);
    await harness.written();
    expect(await nb('Logical_Router_Port', 'networks', `name=${lrp}`)).toBe('10.77.0.9/24');

    const inUse = await user.delete(`routers/${router.id}`);
    expect([inUse.status, inUse.body.NeutronError]).toEqual([409, { type: 'RouterInUse', message: `Router ${router.id} has ports still attached: ${added.port_id}`, detail: '' }]);
    const removed = await user.put(`routers/${router.id}/remove_router_interface`, { subnet_id: subnet.id });
    expect([removed.status, removed.body.port_id]).toEqual([200, added.port_id]);
    expect(errorOf(await user.put(`routers/${router.id}/remove_router_interface`, { subnet_id: subnet.id }))).toEqual([404, 'RouterInterfaceNotFoundForSubnet']);
    expect((await user.delete(`routers/${router.id}`)).status).toBe(204);
    await harness.written();
    expect(await nb('Logical_Router', 'name', `external_ids:virga\\:id=${router.id}`)).toBe('');
    expect(await nb('Logical_Switch_Port', 'name', `name=${added.port_id}`)).toBe('');
    expect(await harness.db.selectFrom('ports').select('id').where('device_id', '=', router.id).execute()).toEqual([]);
  });

  it('take routes whose next hop they reach, and keep the interface that they need', async () => {
    const { subnet } = await inside('10.78.0.0/24');
    const router = await user.make('routers', 'router');
    await attach(router.id, subnet.id);
    expect(errorOf(await user.put(`routers/${router.id}`, { router: { routes: [{ destination: '10.200.0.0/16', nexthop: '10.99.0.1' }] } }))).toEqual([400, 'InvalidRoutes']);
    expect(errorOf(await user.put(`routers/${router.id}`, { router: { routes: [{ destination: '10.200.0.0/16', nexthop: '10.78.0.1' }] } }))).toEqual([400, 'InvalidRoutes']);
    expect((await user.put(`routers/${router.id}`, { router: { routes: [{ destination: '10.200.0.0/16', nexthop: '10.78.0.9' }] } })).body.router.routes).toHaveLength(1);
    await harness.written();
    expect(await nb('Logical_Router_Static_Route', 'ip_prefix', `external_ids:virga\\:id=${router.id}`)).toBe('10.200.0.0/16');
    const [more, both] = [[{ destination: '10.201.0.0/16', nexthop: '10.78.0.9' }], [{ destination: '10.200.0.0/16', nexthop: '10.78.0.9' }, { destination: '10.201.0.0/16', nexthop: '10.78.0.9' }]];
    expect((await user.put(`routers/${router.id}/add_extraroutes`, { router: { routes: both } })).body.router.routes).toEqual(both);
    expect((await user.put(`routers/${router.id}/remove_extraroutes`, { router: { routes: more } })).body.router.routes).toEqual(both.slice(0, 1));
    expect((await user.put(`routers/${router.id}/add_extraroutes`, { router: { routes: 'all' } })).status).toBe(400);
    expect((await other.put(`routers/${router.id}/add_extraroutes`, { router: { routes: more } })).status).toBe(404);
    expect(errorOf(await user.put(`routers/${router.id}/remove_router_interface`, { subnet_id: subnet.id }))).toEqual([409, 'RouterInterfaceInUseByRoute']);
  });

  it('do not join what overlaps, what has no gateway, or what is another project\'s', async () => {
    const [one, two, foreign] = [await inside('10.79.0.0/24'), await inside('10.79.0.0/25'), await inside('10.80.0.0/24', other)];
    const bare = await user.make('subnets', 'subnet', { network_id: one.network.id, ip_version: 4, cidr: '10.81.0.0/24', gateway_ip: null });
    const router = await user.make('routers', 'router');
    await attach(router.id, one.subnet.id);
    for (const [subnetId, expected] of [[two.subnet.id, [400, 'BadRequest']], [bare.id, [400, 'BadRequest']], [foreign.subnet.id, [404, 'SubnetNotFound']]] as const) {
      expect(errorOf(await user.put(`routers/${router.id}/add_router_interface`, { subnet_id: subnetId }))).toEqual(expected);
    }
    expect(errorOf(await user.put(`routers/${router.id}/add_router_interface`, {}))).toEqual([400, 'BadRequest']);
    expect(errorOf(await user.put(`routers/${router.id}/add_router_interface`, { port_id: foreign.port.id }))).toEqual([404, 'PortNotFound']);
    expect((await user.post('routers', { router: { external_gateway_info: { network_id: one.network.id } } })).status).toBe(400);
    expect((await user.post('routers', { router: { external_gateway_info: { network_id: external.id, enable_snat: false } } })).status).toBe(403);
  });

  it('advertise IPv6 prefixes, and take a port that is there', async () => {
    const { subnet } = await inside('fd00:82::/64');
    const four = await inside('10.82.0.0/24');
    const router = await user.make('routers', 'router');
    const added = await attach(router.id, subnet.id);
    expect((await user.put(`routers/${router.id}/add_router_interface`, { port_id: four.port.id })).status).toBe(200);
    await harness.written();
    expect(await nb('Logical_Router_Port', 'ipv6_ra_configs', `name=lrp-${added.port_id}`)).toBe('address_mode=slaac mtu=1442 send_periodic=true');
    expect(await nb('Logical_Switch_Port', 'type', `name=${four.port.id}`)).toBe('router');
    // northd has understood it: the router's port is known to the southbound database.
    await harness.ovn.nbctl('--wait=sb', 'sync');
    expect((await harness.ovn.sbctl('--bare', '--columns=logical_port', 'find', 'Port_Binding', `logical_port=lrp-${added.port_id}`)).trim()).toBe(`lrp-${added.port_id}`);
  });

  it('have their gateway on the hosts that reach the network, in an order of preference', async () => {
    const { sbctl } = harness.ovn;
    const router = await withGateway();
    await sbctl('chassis-add', 'gw1', 'geneve', '127.0.0.2', '--', 'set', 'Chassis', 'gw1', 'hostname=gw1', 'other_config:ovn-bridge-mappings=physnet1:br-ex', 'other_config:ovn-cms-options=enable-chassis-as-gw');
    await sbctl('chassis-add', 'gw2', 'geneve', '127.0.0.3', '--', 'set', 'Chassis', 'gw2', 'hostname=gw2', 'other_config:ovn-bridge-mappings=physnet1:br-ex', 'other_config:ovn-cms-options=enable-chassis-as-gw');
    await sbctl('chassis-add', 'plain', 'geneve', '127.0.0.4', '--', 'set', 'Chassis', 'plain', 'hostname=plain', 'other_config:ovn-bridge-mappings=physnet1:br-ex');
    await sbctl('chassis-add', 'far', 'geneve', '127.0.0.5', '--', 'set', 'Chassis', 'far', 'hostname=far', 'other_config:ovn-cms-options=enable-chassis-as-gw');
    const hosts = async () => (await nb('Gateway_Chassis', 'chassis_name', `external_ids:virga\\:id=${router.id}`)).split('\n').filter((line) => line !== '').sort();
    await harness.until('two gateways', async () => (await hosts()).join() === 'gw1,gw2');
    const agents = (await admin.get('agents')).body.agents;
    expect(agents.map(({ host, agent_type }: { host: string; agent_type: string }) => [host, agent_type])).toEqual([
      ['far', 'OVN Controller Gateway agent'], ['gw1', 'OVN Controller Gateway agent'], ['gw2', 'OVN Controller Gateway agent'], ['plain', 'OVN Controller agent'],
    ]);
    expect((await admin.get('agents?host=gw1')).body.agents).toHaveLength(1);
    // Nobody has answered for these hosts: they were only registered.
    expect(agents.every(({ alive }: { alive: boolean }) => !alive)).toBe(true);
    expect((await user.get('agents')).body).toEqual({ agents: [] });
    expect((await user.get(`agents/${agents[0].id}`)).status).toBe(404);
    for (const name of ['gw1', 'gw2', 'plain', 'far']) await sbctl('chassis-del', name);
  });
});

describe('floating IPs', () => {
  it('lead to a port, once, and away again', async () => {
    const { subnet, port, network } = await inside('10.90.0.0/24');
    const router = await withGateway();
    await attach(router.id, subnet.id);
    const floating = await user.make('floatingips', 'floatingip', { floating_network_id: external.id, port_id: port.id });
    expect(floating).toMatchObject({
      floating_network_id: external.id, router_id: router.id, port_id: port.id, fixed_ip_address: port.fixed_ips[0].ip_address, status: 'ACTIVE',
      port_details: { name: 'p1', network_id: network.id, mac_address: port.mac_address, admin_state_up: true, status: 'DOWN', device_id: '', device_owner: '' },
    });
    expect(floating).not.toHaveProperty('name');
    await harness.written();
    expect(await nb('NAT', 'logical_ip', 'type=dnat_and_snat', `external_ip=${floating.floating_ip_address}`)).toBe(port.fixed_ips[0].ip_address);
    const second = await user.post('floatingips', { floatingip: { floating_network_id: external.id, port_id: port.id } });
    expect(errorOf(second)).toEqual([409, 'FloatingIPPortAlreadyAssociated']);
    expect(second.body.NeutronError.message).toMatch(new RegExp(`^Cannot associate floating IP [0-9.]+ \\(.*\\) with port ${port.id} using fixed IP ${port.fixed_ips[0].ip_address}, as that fixed IP already has a floating IP on external network ${external.id}\\.$`));
    expect(errorOf(await user.put(`routers/${router.id}/remove_router_interface`, { subnet_id: subnet.id }))).toEqual([409, 'RouterInterfaceInUseByFloatingIP']);
    expect(errorOf(await user.put(`routers/${router.id}`, { router: { external_gateway_info: null } }))).toEqual([409, 'RouterExternalGatewayInUseByFloatingIp']);
    expect((await other.get(`floatingips/${floating.id}`)).status).toBe(404);

    expect((await user.put(`floatingips/${floating.id}`, { floatingip: { port_id: null } })).body.floatingip)
      .toMatchObject({ router_id: null, port_id: null, fixed_ip_address: null, status: 'DOWN', port_details: null });
    await harness.written();
    expect(await nb('NAT', '_uuid', 'type=dnat_and_snat', `external_ip=${floating.floating_ip_address}`)).toBe('');
    expect((await user.put(`floatingips/${floating.id}`, { floatingip: { port_id: port.id } })).status).toBe(200);
    // A port that goes leaves its floating IP to the project.
    expect((await user.delete(`ports/${port.id}`)).status).toBe(204);
    expect((await user.get(`floatingips/${floating.id}`)).body.floatingip).toMatchObject({ port_id: null, status: 'DOWN' });
    expect((await user.delete(`floatingips/${floating.id}`)).status).toBe(204);
    expect(await harness.db.selectFrom('ip_allocations').selectAll().where('address', '=', floating.floating_ip_address).execute()).toEqual([]);
    await harness.written();
    expect(await harness.app.writer.reconcile()).toMatchObject({ repaired: 0, removed: 0, failed: 0 });
  });

  it('are refused where they cannot lead', async () => {
    const { network, port } = await inside('10.91.0.0/24');
    const foreign = await inside('10.92.0.0/24', other);
    const ask = (attributes: object, who = user) => who.post('floatingips', { floatingip: { floating_network_id: external.id, ...attributes } });
    expect(errorOf(await ask({ port_id: port.id }))).toEqual([404, 'ExternalGatewayForFloatingIPNotFound']);
    expect(errorOf(await ask({ port_id: foreign.port.id }))).toEqual([404, 'PortNotFound']);
    expect(errorOf(await ask({ floating_network_id: network.id }))).toEqual([400, 'BadRequest']);
    // Addresses are given out at random: one that is free has to be looked for.
    const taken = new Set((await harness.db.selectFrom('ip_allocations').select('address').execute()).map(({ address }) => address));
    const free = Array.from({ length: 50 }, (_, index) => `203.0.113.${150 + index}`).find((address) => !taken.has(address))!;
    expect((await ask({ floating_ip_address: free })).status).toBe(403);
    expect((await ask({ floating_ip_address: free }, admin)).body.floatingip.floating_ip_address).toBe(free);
    expect(errorOf(await ask({ floating_ip_address: free }, admin))).toEqual([409, 'IpAddressAlreadyAllocated']);
    expect(await harness.db.selectFrom('floatingips').select('id').where('project_id', '=', user.projectId).execute()).toEqual([]);
  });

  it('go with their network as long as they lead nowhere', async () => {
    const outside = await admin.make('networks', 'network', { 'router:external': true });
    await admin.make('subnets', 'subnet', { network_id: outside.id, ip_version: 4, cidr: '198.51.100.0/24', enable_dhcp: false });
    const { subnet, port } = await inside('10.94.0.0/24');
    const router = await user.make('routers', 'router', { external_gateway_info: { network_id: outside.id } });
    await attach(router.id, subnet.id);
    const used = await user.make('floatingips', 'floatingip', { floating_network_id: outside.id, port_id: port.id });
    const idle = await user.make('floatingips', 'floatingip', { floating_network_id: outside.id });
    expect(errorOf(await admin.delete(`networks/${outside.id}`))).toEqual([409, 'NetworkInUse']);
    expect((await user.get(`floatingips/${idle.id}`)).status).toBe(200);
    await user.put(`floatingips/${used.id}`, { floatingip: { port_id: null } });
    expect((await user.put(`routers/${router.id}`, { router: { external_gateway_info: null } })).status).toBe(200);
    expect((await admin.delete(`networks/${outside.id}`)).status).toBe(204);
    for (const { id } of [used, idle]) expect((await user.get(`floatingips/${id}`)).status).toBe(404);
  });

  it('of ten who want the same port, one gets it', async () => {
    const { subnet, port } = await inside('10.93.0.0/24');
    const router = await withGateway();
    await attach(router.id, subnet.id);
    const answers = await Promise.all(Array.from({ length: 10 }, () => user.post('floatingips', { floatingip: { floating_network_id: external.id, port_id: port.id } })));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(new Set(answers.filter(({ status }) => status !== 201).map((answer) => JSON.stringify(errorOf(answer))))).toEqual(new Set(['[409,"FloatingIPPortAlreadyAssociated"]']));
  });
});

describe('security groups', () => {
  it('are there for everyone who looks, with what neutron gives them', async () => {
    const tenant = harness.user();
    const groups = (await tenant.get('security-groups')).body.security_groups;
    expect(groups).toHaveLength(1);
    expect(groups[0]).toMatchObject({ name: 'default', description: 'Default security group', stateful: true, shared: false });
    expect(groups[0].security_group_rules.map(({ direction, ethertype, remote_group_id }: Record<string, string>) => [direction, ethertype, remote_group_id === groups[0].id]).sort())
      .toEqual([['egress', 'IPv4', false], ['egress', 'IPv6', false], ['ingress', 'IPv4', true], ['ingress', 'IPv6', true]]);
    expect(errorOf(await tenant.post('security-groups', { security_group: { name: 'default' } }))).toEqual([409, 'SecurityGroupDefaultAlreadyExists']);
    expect(errorOf(await tenant.delete(`security-groups/${groups[0].id}`))).toEqual([409, 'SecurityGroupCannotRemoveDefault']);
    // Many who look at once for the first time see the same group.
    const fresh = harness.user();
    const seen = await Promise.all(Array.from({ length: 8 }, () => fresh.get('security-groups')));
    expect(new Set(seen.map(({ body }) => body.security_groups.map(({ id }: { id: string }) => id).join())).size).toBe(1);
  });

  it('refuse a rule twice, a rule that means nothing, and the rules of others', async () => {
    const group = await user.make('security-groups', 'security_group', { name: 'web', description: 'd' });
    expect(group.security_group_rules).toHaveLength(2);
    const rule = { security_group_id: group.id, direction: 'ingress', protocol: 'tcp', port_range_min: 80, port_range_max: 80, remote_ip_prefix: '0.0.0.0/0' };
    const made = await user.make('security-group-rules', 'security_group_rule', rule);
    expect(made).toMatchObject({ ...rule, ethertype: 'IPv4', normalized_cidr: '0.0.0.0/0', remote_group_id: null, remote_address_group_id: null, description: '' });
    const again = await user.post('security-group-rules', { security_group_rule: { ...rule, protocol: '6' } });
    expect([again.status, again.body.NeutronError]).toEqual([409, { type: 'SecurityGroupRuleExists', message: `Security group rule already exists. Rule id is ${made.id}.`, detail: '' }]);
    for (const [changes, type] of [
      [{ protocol: 'icmp', port_range_min: 300, port_range_max: null }, 'SecurityGroupInvalidIcmpValue'], [{ port_range_min: 90 }, 'SecurityGroupInvalidPortRange'],
      [{ remote_ip_prefix: '10.0.0.0/99' }, 'InvalidInput'], [{ remote_ip_prefix: 'fd00::/8' }, 'SecurityGroupRuleParameterConflict'], [{ protocol: 'nosuch' }, 'SecurityGroupRuleInvalidProtocol'],
    ] as const) expect(errorOf(await user.post('security-group-rules', { security_group_rule: { ...rule, ...changes } }))).toEqual([400, type]);
    expect(errorOf(await other.post('security-group-rules', { security_group_rule: rule }))).toEqual([404, 'SecurityGroupNotFound']);
    expect((await other.delete(`security-group-rules/${made.id}`)).status).toBe(404);
    expect((await user.get(`security-group-rules?security_group_id=${group.id}`)).body.security_group_rules).toHaveLength(3);
    const port = await user.make('ports', 'port', { network_id: (await user.make('networks', 'network')).id, security_groups: [group.id] });
    expect(errorOf(await user.delete(`security-groups/${group.id}`))).toEqual([409, 'SecurityGroupInUse']);
    await user.delete(`ports/${port.id}`);
    expect((await user.delete(`security-groups/${group.id}`)).status).toBe(204);
  });
});

describe('quotas and extensions', () => {
  it('show, set and reset limits', async () => {
    const tenant = harness.user();
    expect((await tenant.get(`quotas/${tenant.projectId}`)).body.quota).toMatchObject({ network: 100, port: 500, security_group_rule: 100 });
    expect((await tenant.get(`quotas/${other.projectId}`)).status).toBe(403);
    expect((await tenant.put(`quotas/${tenant.projectId}`, { quota: { network: 1 } })).status).toBe(403);
    expect((await admin.put(`quotas/${tenant.projectId}`, { quota: { network: 1, nosuch: 1 } })).status).toBe(400);
    expect((await admin.put(`quotas/${tenant.projectId}`, { quota: { network: -2 } })).status).toBe(400);
    expect((await admin.put(`quotas/${tenant.projectId}`, { quota: { network: 1 } })).body.quota.network).toBe(1);
    await tenant.make('networks', 'network');
    expect(errorOf(await tenant.post('networks', { network: {} }))).toEqual([409, 'OverQuota']);
    expect((await tenant.get(`quotas/${tenant.projectId}/details.json`)).body.quota.network).toEqual({ limit: 1, used: 1, reserved: 0 });
    expect((await admin.delete(`quotas/${tenant.projectId}`)).status).toBe(204);
    await tenant.make('networks', 'network');
  });

  it('list what is built and nothing else', async () => {
    const aliases = (await user.get('extensions')).body.extensions.map(({ alias }: { alias: string }) => alias);
    expect(aliases).toContain('router');
    expect(aliases).not.toContain('trunk');
    expect((await user.get('extensions/router')).body.extension.alias).toBe('router');
    expect((await user.get('extensions/trunk')).status).toBe(404);
    expect((await user.get('trunks')).status).toBe(404);
    expect((await user.get('metering/metering-labels')).status).toBe(404);
    expect((await user.get('availability_zones')).body.availability_zones).toContainEqual({ name: 'nova', resource: 'network', state: 'available' });
  });
});
