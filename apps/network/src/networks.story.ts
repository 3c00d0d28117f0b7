import { NetworkHarness, type ApiUser } from './testing/network-harness';

let harness: NetworkHarness;
let user: ApiUser;
let other: ApiUser;
let admin: ApiUser;

beforeAll(async () => {
  harness = await NetworkHarness.start('network_networks_story');
  [user, other, admin] = [harness.user(), harness.user(), harness.admin()];
});
afterAll(() => harness.stop());

const makeSubnet = (who: ApiUser, networkId: string, cidr: string, more: object = {}) =>
  who.make('subnets', 'subnet', { network_id: networkId, ip_version: cidr.includes(':') ? 6 : 4, cidr, ...more });
const errorOf = ({ status, body }: { status: number; body: { NeutronError?: { type: string; message: string } } }) => [status, body.NeutronError?.type];

describe('the edge', () => {
  it('shows its versions to all, and the rest to no one without a token', async () => {
    const root = await harness.anonymous().send('GET', '/');
    expect([root.status, root.body.versions[0].id]).toEqual([200, 'v2.0']);
    expect((await harness.anonymous().get('networks')).status).toBe(401);
    expect((await harness.anonymous().send('GET', '/v2.0/')).status).toBe(401);
    expect((await user.send('GET', '/v2.0/')).body.resources.map(({ name }: { name: string }) => name)).toContain('port');
  });

  it('answers as neutron to what it cannot read', async () => {
    expect((await user.post('networks', { x: 1 })).body.NeutronError.message).toBe("Unable to find 'network' in request body");
    expect((await user.send('POST', '/v2.0/networks', '{bad')).body.NeutronError.message).toBe('Body contains invalid data');
    expect((await user.post('networks', { network: { nosuchattr: 1 } })).body.NeutronError.message).toBe("Unrecognized attribute(s) 'nosuchattr'");
    expect((await user.post('networks', { network: { id: 'x' } })).status).toBe(400);
    expect(errorOf(await user.get('nosuch'))).toEqual([404, 'HTTPNotFound']);
    expect(errorOf(await user.get('networks/00000000-0000-0000-0000-000000000000'))).toEqual([404, 'NetworkNotFound']);
  });

  it('refuses what only an operator may set, naming the rules', async () => {
    const answer = await user.post('networks', { network: { name: 'x', 'provider:network_type': 'vxlan', 'provider:segmentation_id': 7 } });
    expect(answer.status).toBe(403);
    expect(answer.body.NeutronError).toEqual({
      type: 'PolicyNotAuthorized', detail: '',
      message: '((rule:create_network and rule:create_network:provider:network_type) and rule:create_network:provider:segmentation_id) is disallowed by policy',
    });
    for (const attributes of [{ shared: true }, { 'router:external': true }]) expect((await user.post('networks', { network: attributes })).status).toBe(403);
    const reader = harness.user({ projectId: user.projectId, roles: ['reader'] });
    expect((await reader.post('networks', { network: {} })).status).toBe(403);
  });

  it('takes names in any language up to 255 characters, and no longer ones', async () => {
    const name = 'сеть-网络-🌩'.padEnd(255, 'ß');
    const network = await user.make('networks', 'network', { name: [...name].slice(0, 250).join('') });
    expect((await user.get(`networks/${network.id}`)).body.network.name).toBe([...name].slice(0, 250).join(''));
    const answer = await user.post('networks', { network: { name: 'x'.repeat(256) } });
    expect(answer.body.NeutronError.message).toContain('exceeds maximum length of 255.');
    expect(answer.status).toBe(400);
    expect((await user.post('networks', { network: { name: 5 } })).status).toBe(400);
    await user.delete(`networks/${network.id}`);
  });
});

describe('networks', () => {
  it('are shown as neutron shows them, provider attributes to operators only', async () => {
    const network = await user.make('networks', 'network', { name: 'gold' });
    expect(network).toMatchObject({
      name: 'gold', tenant_id: user.projectId, project_id: user.projectId, admin_state_up: true, mtu: 1442, status: 'ACTIVE', subnets: [], shared: false,
      port_security_enabled: true, 'router:external': false, description: '', tags: [], revision_number: 1,
    });
    expect(network).not.toHaveProperty('provider:network_type');
    const seen = (await admin.get(`networks/${network.id}`)).body.network;
    expect(seen['provider:network_type']).toBe('geneve');
    expect(seen['provider:segmentation_id']).toBeGreaterThan(0);
    expect((await user.get(`networks/${network.id}?fields=id&fields=name`)).body.network).toEqual({ id: network.id, name: 'gold' });
    const updated = (await user.put(`networks/${network.id}`, { network: { name: 'gold2' } })).body.network;
    expect([updated.name, updated.revision_number]).toEqual(['gold2', 2]);
    expect((await other.get(`networks/${network.id}`)).status).toBe(404);
    expect((await other.put(`networks/${network.id}`, { network: { name: 'stolen' } })).status).toBe(404);
    expect((await other.delete(`networks/${network.id}`)).status).toBe(404);
    expect((await user.delete(`networks/${network.id}`)).status).toBe(204);
    expect((await user.get(`networks/${network.id}`)).status).toBe(404);
  });

  it('refuses a segment that another network has', async () => {
    await admin.make('networks', 'network', { 'provider:network_type': 'flat', 'provider:physical_network': 'physnet1', 'router:external': true });
    expect(errorOf(await admin.post('networks', { network: { 'provider:network_type': 'flat', 'provider:physical_network': 'physnet1' } }))).toEqual([409, 'FlatNetworkInUse']);
    expect(errorOf(await admin.post('networks', { network: { 'provider:network_type': 'flat', 'provider:physical_network': 'nosuch' } }))).toEqual([400, 'InvalidInput']);
    await admin.make('networks', 'network', { 'provider:network_type': 'geneve', 'provider:segmentation_id': 3999 });
    expect(errorOf(await admin.post('networks', { network: { 'provider:network_type': 'geneve', 'provider:segmentation_id': 3999 } }))).toEqual([409, 'TunnelIdInUse']);
  });

  it('are visible to others when shared, and changed only by their owner', async () => {
    const shared = await admin.make('networks', 'network', { name: 'commons', shared: true });
    expect((await user.get('networks?name=commons')).body.networks).toHaveLength(1);
    expect((await user.put(`networks/${shared.id}`, { network: { name: 'mine' } })).status).toBe(403);
    expect((await user.post('subnets', { subnet: { network_id: shared.id, ip_version: 4, cidr: '10.9.0.0/24' } })).status).toBe(403);
  });

  it('are listed by pages, filters and order', async () => {
    const lister = harness.user();
    for (const name of ['b', 'a', 'd', 'c', 'e']) await lister.make('networks', 'network', { name, description: name < 'c' ? 'low' : '' });
    const names = (answer: { body: { networks: { name: string }[] } }) => answer.body.networks.map(({ name }) => name);
    const mine = `project_id=${lister.projectId}`;
    const first = await lister.get(`networks?${mine}&sort_key=name&sort_dir=desc&limit=2`);
    expect(names(first)).toEqual(['e', 'd']);
    const next = first.body.networks_links.find(({ rel }: { rel: string }) => rel === 'next').href as string;
    const second = await lister.send('GET', next.slice(next.indexOf('/v2.0')));
    expect(names(second)).toEqual(['c', 'b']);
    const previous = second.body.networks_links.find(({ rel }: { rel: string }) => rel === 'previous').href as string;
    expect(names(await lister.send('GET', previous.slice(previous.indexOf('/v2.0'))))).toEqual(['e', 'd']);
    expect(names(await lister.get(`networks?${mine}&description=low&sort_key=name`))).toEqual(['a', 'b']);
    expect(names(await lister.get(`networks?${mine}&name=a&name=c&sort_key=name`))).toEqual(['a', 'c']);
    expect((await lister.get('networks?nosuch=1')).status).toBe(400);
    expect((await lister.get('networks?sort_key=nosuch')).status).toBe(400);
    expect((await lister.get('networks?limit=-1')).status).toBe(400);
    // What one may not see one may not ask for by the back door.
    for (const query of ['provider:segmentation_id=7', 'sort_key=provider:segmentation_id']) expect([(await lister.get(`networks?${query}`)).status, (await admin.get(`networks?${query}`)).status]).toEqual([400, 200]);
    expect((await lister.get('ports?binding:host_id=h1')).status).toBe(400);
    expect((await lister.get("networks?name=' or '1'='1")).body.networks).toEqual([]);
  });
});

describe('subnets', () => {
  it('have a gateway and a pool by default', async () => {
    const network = await user.make('networks', 'network');
    const v4 = await makeSubnet(user, network.id, '10.77.0.0/24', { dns_nameservers: ['192.0.2.53'] });
    expect(v4).toMatchObject({ gateway_ip: '10.77.0.1', allocation_pools: [{ start: '10.77.0.2', end: '10.77.0.254' }], dns_nameservers: ['192.0.2.53'], enable_dhcp: true, subnetpool_id: null });
    const v6 = await makeSubnet(user, network.id, 'fd00:77::/64', { ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' });
    expect(v6).toMatchObject({ gateway_ip: 'fd00:77::', allocation_pools: [{ start: 'fd00:77::1', end: 'fd00:77::ffff:ffff:ffff:ffff' }] });
    expect((await user.get(`networks/${network.id}`)).body.network.subnets).toEqual([v4.id, v6.id]);
  });

  it('do not overlap on one network, also when made at once', async () => {
    const network = await user.make('networks', 'network');
    const answers = await Promise.all(Array.from({ length: 6 }, (_, i) => user.post('subnets', { subnet: { network_id: network.id, ip_version: 4, cidr: `10.78.0.${i}/24` } })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 400, 400, 400, 400, 400]);
    const refused = await user.post('subnets', { subnet: { network_id: network.id, ip_version: 4, cidr: '10.78.0.0/25' } });
    expect(refused.body.NeutronError).toEqual({
      type: 'InvalidInput', detail: '', message: `Invalid input for operation: Requested subnet with cidr: 10.78.0.0/25 for network: ${network.id} overlaps with another subnet.`,
    });
  });

  it.each([
    [{ cidr: 'bad' }, 'InvalidInput'], [{ cidr: '10.0.0.0/24', ip_version: 6 }, 'InvalidInput'], [{ gateway_ip: '10.2.0.1' }, 'GatewayNotValidOnSubnet'],
    [{ allocation_pools: [{ start: '10.1.0.9', end: '10.1.1.9' }] }, 'OutOfBoundsAllocationPool'], [{ allocation_pools: [{ start: '10.1.0.9', end: '10.1.0.2' }] }, 'InvalidAllocationPool'],
    [{ dns_nameservers: ['nosuch'] }, 'HTTPBadRequest'], [{ host_routes: [{ destination: 'x', nexthop: '10.1.0.1' }] }, 'HTTPBadRequest'], [{ ipv6_ra_mode: 'slaac' }, 'InvalidInput'],
  ])('refuse %p', async (attributes, type) => {
    const network = await user.make('networks', 'network');
    expect(errorOf(await user.post('subnets', { subnet: { network_id: network.id, ip_version: 4, cidr: '10.1.0.0/24', ...attributes } }))).toEqual([400, type]);
    expect((await user.delete(`networks/${network.id}`)).status).toBe(204);
  });
});

describe('ports', () => {
  it('get the address they ask for, their own IPv6 address and the default group', async () => {
    const network = await user.make('networks', 'network');
    const v4 = await makeSubnet(user, network.id, '10.80.0.0/24');
    const v6 = await makeSubnet(user, network.id, 'fd00:80::/64', { ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' });
    const port = await user.make('ports', 'port', { network_id: network.id, mac_address: 'fa:16:3e:18:48:8c', fixed_ips: [{ subnet_id: v4.id, ip_address: '10.80.0.50' }] });
    expect(port.fixed_ips).toEqual([{ subnet_id: v4.id, ip_address: '10.80.0.50' }, { subnet_id: v6.id, ip_address: 'fd00:80::f816:3eff:fe18:488c' }]);
    expect(port).toMatchObject({ status: 'DOWN', device_id: '', port_security_enabled: true, 'binding:vnic_type': 'normal', admin_state_up: true });
    expect(port).not.toHaveProperty('binding:host_id');
    expect(port.security_groups).toHaveLength(1);
    expect((await admin.get(`ports/${port.id}`)).body.port).toMatchObject({ 'binding:host_id': '', 'binding:vif_type': 'unbound', 'binding:profile': {} });
    expect(errorOf(await user.post('ports', { port: { network_id: network.id, mac_address: 'FA:16:3E:18:48:8C' } }))).toEqual([409, 'MacAddressInUse']);
    expect((await other.get(`ports/${port.id}`)).status).toBe(404);
    expect((await other.delete(`ports/${port.id}`)).status).toBe(404);
    expect((await user.get('ports?fixed_ips=ip_address%3D10.80.0.50')).body.ports.map(({ id }: { id: string }) => id)).toEqual([port.id]);
    expect((await user.get(`ports?mac_address=FA:16:3E:18:48:8C&network_id=${network.id}`)).body.ports).toHaveLength(1);

    const inUse = await user.delete(`networks/${network.id}`);
    expect([inUse.status, inUse.body.NeutronError.type]).toEqual([409, 'NetworkInUse']);
    expect(inUse.body.NeutronError.message).toBe(`Unable to complete operation on network ${network.id}. There are one or more ports still in use on the network, id for these ports is: ${port.id}.`);
    expect(errorOf(await user.delete(`subnets/${v4.id}`))).toEqual([409, 'SubnetInUse']);
    const moved = (await user.put(`ports/${port.id}`, { port: { fixed_ips: [{ ip_address: '10.80.0.51' }], name: 'moved' } })).body.port;
    expect(moved.fixed_ips.map(({ ip_address }: { ip_address: string }) => ip_address)).toContain('10.80.0.51');
    expect((await user.delete(`ports/${port.id}`)).status).toBe(204);
    expect((await user.delete(`networks/${network.id}`)).status).toBe(204);
    expect(await harness.db.selectFrom('ip_allocations').selectAll().where('network_id', '=', network.id).execute()).toEqual([]);
  });

  it('refuse addresses that are not of the network or not hosts', async () => {
    const network = await user.make('networks', 'network');
    const subnet = await makeSubnet(user, network.id, '10.81.0.0/24');
    const ask = (fixedIp: object) => user.post('ports', { port: { network_id: network.id, fixed_ips: [fixedIp] } });
    const outside = await ask({ ip_address: '192.0.2.9' });
    expect([outside.status, outside.body.NeutronError.message]).toEqual([400, 'IP address 192.0.2.9 is not a valid IP for any of the subnets on the specified network.']);
    expect(errorOf(await ask({ subnet_id: subnet.id, ip_address: '192.0.2.9' }))).toEqual([400, 'InvalidIpForSubnet']);
    expect(errorOf(await ask({ ip_address: '10.81.0.255' }))).toEqual([400, 'InvalidIpForSubnet']);
    expect(errorOf(await ask({ ip_address: 'x' }))).toEqual([400, 'HTTPBadRequest']);
    expect(errorOf(await ask({ subnet_id: network.id }))).toEqual([400, 'InvalidInput']);
    expect(errorOf(await user.post('ports', { port: { network_id: '00000000-0000-0000-0000-000000000000' } }))).toEqual([404, 'NetworkNotFound']);
    expect((await user.post('ports', { port: { network_id: network.id, device_owner: 'network:router_interface' } })).status).toBe(400);
    expect((await user.post('ports', { port: { network_id: network.id, allowed_address_pairs: [{ ip_address: '0.0.0.0/0' }] } })).status).toBe(400);
    expect((await user.post('ports', { port: { network_id: network.id, 'binding:host_id': 'h1' } })).status).toBe(403);
    expect((await harness.db.selectFrom('ports').selectAll().where('network_id', '=', network.id).execute()).map(({ device_owner }) => device_owner)).toEqual(['network:distributed']);
  });

  it('on a network of another: a subnet may be chosen, an address may not', async () => {
    const shared = await admin.make('networks', 'network', { shared: true });
    const subnet = await makeSubnet(admin, shared.id, '10.82.0.0/24');
    expect((await user.post('ports', { port: { network_id: shared.id, fixed_ips: [{ ip_address: '10.82.0.9' }] } })).status).toBe(403);
    expect((await user.post('ports', { port: { network_id: shared.id, mac_address: 'fa:16:3e:00:00:09' } })).status).toBe(403);
    expect((await user.post('ports', { port: { network_id: shared.id, port_security_enabled: false } })).status).toBe(403);
    expect((await user.post('ports', { port: { network_id: shared.id, fixed_ips: [{ subnet_id: subnet.id }] } })).status).toBe(201);
  });

  it('of twenty who want one address at once, one gets it', async () => {
    const network = await user.make('networks', 'network');
    const subnet = await makeSubnet(user, network.id, '10.83.0.0/24');
    const answers = await Promise.all(Array.from({ length: 20 }, () => user.post('ports', { port: { network_id: network.id, fixed_ips: [{ ip_address: '10.83.0.77' }] } })));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    const refused = answers.filter(({ status }) => status !== 201);
    expect(new Set(refused.map((answer) => JSON.stringify(errorOf(answer))))).toEqual(new Set(['[409,"IpAddressAlreadyAllocated"]']));
    expect(refused[0]!.body.NeutronError.message).toBe(`IP address 10.83.0.77 already allocated in subnet ${subnet.id}`);
    const left = await harness.db.selectFrom('ports').select('id').where('network_id', '=', network.id).where('device_owner', '=', '').execute();
    expect(left).toHaveLength(1);
  });

  it('of twenty who want any address at once, each gets its own, and none is left over in a full subnet', async () => {
    const network = await user.make('networks', 'network');
    await makeSubnet(user, network.id, '10.84.0.0/27');
    const answers = await Promise.all(Array.from({ length: 20 }, () => user.post('ports', { port: { network_id: network.id } })));
    const addresses = answers.map(({ body }) => body.port.fixed_ips[0].ip_address as string);
    expect(new Set(addresses).size).toBe(20);
    expect(new Set(answers.map(({ body }) => body.port.mac_address as string)).size).toBe(20);
    // 30 hosts: gateway, metadata port, 20 ports.
    const rest = await Promise.all(Array.from({ length: 12 }, () => user.post('ports', { port: { network_id: network.id } })));
    expect(rest.filter(({ status }) => status === 201)).toHaveLength(8);
    expect(new Set(rest.filter(({ status }) => status !== 201).map((answer) => JSON.stringify(errorOf(answer))))).toEqual(new Set(['[409,"IpAddressGenerationFailure"]']));
  });

  it('are made by the list, all or none', async () => {
    const network = await user.make('networks', 'network');
    await makeSubnet(user, network.id, '10.85.0.0/24');
    const both = await user.post('ports', { ports: [{ network_id: network.id, name: 'a' }, { network_id: network.id, name: 'b' }] });
    expect([both.status, both.body.ports.map(({ name }: { name: string }) => name)]).toEqual([201, ['a', 'b']]);
    expect((await user.post('ports', { ports: [{ network_id: network.id, name: 'c' }, { network_id: network.id, fixed_ips: [{ ip_address: '1.1.1.1' }] }] })).status).toBe(400);
    expect((await user.get(`ports?network_id=${network.id}&name=c`)).body.ports).toEqual([]);
  });

  it('carry tags', async () => {
    const network = await user.make('networks', 'network');
    expect((await user.put(`networks/${network.id}/tags`, { tags: ['red', 'blue', 'red'] })).body.tags).toEqual(['blue', 'red']);
    expect((await user.put(`networks/${network.id}/tags/green`, undefined)).status).toBe(201);
    expect((await user.get('networks?tags=red,green')).body.networks.map(({ id }: { id: string }) => id)).toEqual([network.id]);
    expect((await user.get(`networks?not-tags=red&id=${network.id}`)).body.networks).toEqual([]);
    expect((await other.put(`networks/${network.id}/tags/x`, undefined)).status).toBe(404);
    expect((await user.delete(`networks/${network.id}/tags/red`)).status).toBe(204);
    expect((await user.get(`networks/${network.id}`)).body.network.tags).toEqual(['blue', 'green']);
  });
});

describe('quotas', () => {
  it('hold exactly however many ask at once', async () => {
    const tenant = harness.user();
    const network = await tenant.make('networks', 'network');
    await harness.db.insertInto('quotas').values({ project_id: tenant.projectId, resource: 'port', amount: 7 }).execute();
    const answers = await Promise.all(Array.from({ length: 20 }, () => tenant.post('ports', { port: { network_id: network.id } })));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(7);
    const refused = answers.find(({ status }) => status !== 201)!;
    expect([refused.status, refused.body.NeutronError]).toEqual([409, { type: 'OverQuota', message: "Quota exceeded for resources: ['port'].", detail: '' }]);
    await tenant.delete(`ports/${answers.find(({ status }) => status === 201)!.body.port.id}`);
    expect((await tenant.post('ports', { port: { network_id: network.id } })).status).toBe(201);
  });
});
