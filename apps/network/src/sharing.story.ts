import { newHexId } from '@virga/core';
import { NetworkHarness, type ApiUser } from './testing/network-harness';

let cloud: NetworkHarness;
let admin: ApiUser;
let owner: ApiUser;
let friend: ApiUser;
let stranger: ApiUser;

beforeAll(async () => {
  cloud = await NetworkHarness.start('sharing');
  [admin, owner, friend, stranger] = [cloud.admin(), cloud.user(), cloud.user(), cloud.user()];
}, 60_000);
afterAll(() => cloud.stop());

describe('sharing with one project', () => {
  it('lets that project use a network, and only that one', async () => {
    const network = await owner.make('networks', 'network', { name: 'ours' });
    const subnet = await owner.make('subnets', 'subnet', { network_id: network.id, ip_version: 4, cidr: '10.20.0.0/24' });
    const policy = await owner.make('rbac-policies', 'rbac_policy', { object_type: 'network', object_id: network.id, action: 'access_as_shared', target_tenant: friend.projectId });
    expect(policy).toEqual({ id: policy.id, project_id: owner.projectId, tenant_id: owner.projectId, object_type: 'network', object_id: network.id, action: 'access_as_shared', target_tenant: friend.projectId });
    expect((await friend.get(`networks/${network.id}`)).body.network).toMatchObject({ shared: true });
    expect((await owner.get(`networks/${network.id}`)).body.network).toMatchObject({ shared: false });
    expect((await friend.get(`subnets/${subnet.id}`)).status).toBe(200);
    expect((await stranger.get(`networks/${network.id}`)).status).toBe(404);
    expect((await stranger.get('networks')).body.networks).toEqual([]);
    const port = await friend.make('ports', 'port', { network_id: network.id });
    expect((await stranger.post('ports', { port: { network_id: network.id } })).status).toBe(404);
    const refused = await owner.delete(`rbac-policies/${policy.id}`);
    expect([refused.status, refused.body.NeutronError.type]).toEqual([409, 'RbacPolicyInUse']);
    expect((await friend.get(`networks/${network.id}`)).status).toBe(200);
    expect((await owner.put(`rbac-policies/${policy.id}`, { rbac_policy: { target_tenant: stranger.projectId } })).status).toBe(409);
    expect((await friend.delete(`ports/${port.id}`)).status).toBe(204);
    expect((await owner.delete(`rbac-policies/${policy.id}`)).status).toBe(204);
    expect((await friend.get(`networks/${network.id}`)).status).toBe(404);
  });

  it('is the owner\'s to do, and with all the operator\'s', async () => {
    const network = await owner.make('networks', 'network');
    const grant = (target_tenant: string, action = 'access_as_shared') => ({ rbac_policy: { object_type: 'network', object_id: network.id, action, target_tenant } });
    expect((await friend.post('rbac-policies', grant(friend.projectId))).status).toBe(404);
    expect((await owner.post('rbac-policies', grant('*'))).status).toBe(403);
    expect((await owner.post('rbac-policies', grant(friend.projectId, 'access_as_external'))).status).toBe(403);
    expect((await owner.post('rbac-policies', grant(friend.projectId, 'nonsense'))).status).toBe(400);
    expect((await admin.post('rbac-policies', grant('*'))).status).toBe(201);
    expect((await admin.post('rbac-policies', grant('*'))).body.NeutronError.type).toBe('DuplicateRbacPolicy');
    expect((await stranger.get(`networks/${network.id}`)).body.network.shared).toBe(true);
    expect((await owner.delete(`networks/${network.id}`)).status).toBe(204);
    expect(await cloud.db.selectFrom('rbac_policies').selectAll().where('object_id', '=', network.id).execute()).toEqual([]);
  });

  it('opens an external network to routers of one project', async () => {
    const network = await admin.make('networks', 'network', {});
    await admin.make('subnets', 'subnet', { network_id: network.id, ip_version: 4, cidr: '198.51.100.0/24', enable_dhcp: false });
    await admin.make('rbac-policies', 'rbac_policy', { object_type: 'network', object_id: network.id, action: 'access_as_external', target_tenant: friend.projectId });
    expect((await friend.get(`networks/${network.id}`)).body.network).toMatchObject({ 'router:external': true, shared: false });
    expect((await friend.post('routers', { router: { external_gateway_info: { network_id: network.id } } })).status).toBe(201);
    expect((await stranger.post('routers', { router: { external_gateway_info: { network_id: network.id } } })).status).toBe(404);
  });

  it('shares security groups', async () => {
    const group = await owner.make('security-groups', 'security_group', { name: 'web' });
    const network = await friend.make('networks', 'network');
    expect((await friend.post('ports', { port: { network_id: network.id, security_groups: [group.id] } })).status).toBe(404);
    await owner.make('rbac-policies', 'rbac_policy', { object_type: 'security_group', object_id: group.id, action: 'access_as_shared', target_tenant: friend.projectId });
    expect((await friend.get(`security-groups/${group.id}`)).body.security_group.shared).toBe(true);
    expect((await friend.put(`security-groups/${group.id}`, { security_group: { name: 'mine' } })).status).toBe(403);
    expect((await friend.post('ports', { port: { network_id: network.id, security_groups: [group.id] } })).status).toBe(201);
  });
});

describe('subnet pools', () => {
  it('give out blocks that no other subnet has, within lengths and quota', async () => {
    const pool = await owner.make('subnetpools', 'subnetpool', { name: 'p', prefixes: ['10.30.0.0/17', '10.30.128.0/17'], default_prefixlen: 24, min_prefixlen: 20, max_prefixlen: 26, default_quota: 1024 });
    expect(pool).toMatchObject({ prefixes: ['10.30.0.0/16'], ip_version: 4, default_prefixlen: 24, min_prefixlen: 20, max_prefixlen: 26, default_quota: 1024, shared: false, is_default: false, address_scope_id: null, tags: [] });
    const cut = async (more: object = {}) => {
      const network = await owner.make('networks', 'network');
      return owner.post('subnets', { subnet: { network_id: network.id, subnetpool_id: pool.id, ...more } });
    };
    expect((await cut()).body.subnet).toMatchObject({ cidr: '10.30.0.0/24', subnetpool_id: pool.id, ip_version: 4, gateway_ip: '10.30.0.1' });
    expect((await cut({ prefixlen: 25, ip_version: 4 })).body.subnet.cidr).toBe('10.30.1.0/25');
    expect((await cut({ cidr: '10.30.1.0/24' })).body.NeutronError.type).toBe('SubnetAllocationError');
    expect((await cut({ cidr: '10.99.0.0/24' })).status).toBe(409);
    expect((await cut({ prefixlen: 28 })).body.NeutronError.type).toBe('MaxPrefixSubnetAllocationError');
    expect((await cut({ prefixlen: 8 })).body.NeutronError.type).toBe('MinPrefixSubnetAllocationError');
    expect((await cut({ prefixlen: 22 })).body.NeutronError.type).toBe('SubnetPoolQuotaExceeded');
    expect((await owner.delete(`subnetpools/${pool.id}`)).status).toBe(409);
    expect((await owner.put(`subnetpools/${pool.id}`, { subnetpool: { prefixes: ['10.31.0.0/16'] } })).body.NeutronError.type).toBe('IllegalSubnetPoolPrefixUpdate');
    expect((await owner.put(`subnetpools/${pool.id}/add_prefixes`, { prefixes: ['10.31.0.0/16'] })).body).toEqual({ prefixes: ['10.30.0.0/15'] });
    expect((await owner.put(`subnetpools/${pool.id}/remove_prefixes`, { prefixes: ['10.31.0.0/16'] })).body).toEqual({ prefixes: ['10.30.0.0/16'] });
    expect((await friend.get(`subnetpools/${pool.id}`)).status).toBe(404);
  });

  it('are cut by ten at once without an overlap', async () => {
    const pool = await owner.make('subnetpools', 'subnetpool', { prefixes: ['10.40.0.0/20'], default_prefixlen: 24 });
    const networks = await Promise.all(Array.from({ length: 10 }, () => owner.make('networks', 'network')));
    const answers = await Promise.all(networks.map(({ id }) => owner.post('subnets', { subnet: { network_id: id, subnetpool_id: pool.id } })));
    expect(new Set(answers.map(({ body }) => body.subnet.cidr)).size).toBe(10);
  });

  it('belong to address scopes without common addresses, which networks show', async () => {
    const scope = await owner.make('address-scopes', 'address_scope', { name: 's', ip_version: 6 });
    const pool = await owner.make('subnetpools', 'subnetpool', { prefixes: ['2001:db8:1::/48'], default_prefixlen: 64, address_scope_id: scope.id });
    const other = await owner.post('subnetpools', { subnetpool: { prefixes: ['2001:db8:1:4::/62'], address_scope_id: scope.id } });
    expect(other.body.NeutronError.type).toBe('AddressScopePrefixConflict');
    expect((await owner.post('subnetpools', { subnetpool: { prefixes: ['10.0.0.0/8'], address_scope_id: scope.id } })).status).toBe(400);
    const network = await owner.make('networks', 'network');
    expect((await owner.post('subnets', { subnet: { network_id: network.id, subnetpool_id: pool.id, ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' } })).body.subnet.cidr).toBe('2001:db8:1::/64');
    expect((await owner.get(`networks/${network.id}`)).body.network).toMatchObject({ ipv6_address_scope: scope.id, ipv4_address_scope: null });
    expect((await owner.post('subnets', { subnet: { network_id: network.id, ip_version: 6, cidr: '2001:db8:9::/64' } })).body.NeutronError.type).toBe('NetworkSubnetPoolAffinityError');
    expect((await owner.delete(`address-scopes/${scope.id}`)).status).toBe(409);
  });

  it('refuse what makes no sense', async () => {
    for (const bad of [{}, { prefixes: [] }, { prefixes: ['x'] }, { prefixes: ['10.0.0.0/8', '2001:db8::/32'] }, { prefixes: ['10.0.0.0/8'], min_prefixlen: 30, max_prefixlen: 20 }, { prefixes: ['10.0.0.0/8'], max_prefixlen: 64 }]) {
      expect([JSON.stringify(bad), (await owner.post('subnetpools', { subnetpool: bad })).status]).toEqual([JSON.stringify(bad), 400]);
    }
    expect((await owner.post('subnetpools', { subnetpool: { prefixes: ['10.0.0.0/8'], shared: true } })).status).toBe(403);
  });
});

describe('what a change may demand', () => {
  it('is a revision', async () => {
    const network = await owner.make('networks', 'network');
    const change = (revision: string) => owner.send('PUT', `/v2.0/networks/${network.id}`, { network: { name: 'n' } }, { 'if-match': revision });
    expect((await change('revision_number=99')).status).toBe(412);
    expect((await change('nonsense')).status).toBe(400);
    expect((await change(`revision_number=${network.revision_number}`)).status).toBe(200);
  });

  it('is an update of something that can be updated', async () => {
    const group = await owner.make('security-groups', 'security_group', { name: 'g' });
    expect((await owner.put(`security-group-rules/${group.security_group_rules[0].id}`, { security_group_rule: {} })).status).toBe(404);
  });
});

describe('subnets for certain ports', () => {
  it('give no address to others', async () => {
    const network = await owner.make('networks', 'network');
    await owner.make('subnets', 'subnet', { network_id: network.id, ip_version: 4, cidr: '10.50.0.0/24', service_types: ['compute:nova'] });
    expect((await owner.post('ports', { port: { network_id: network.id } })).body.NeutronError.type).toBe('IpAddressGenerationFailureNoMatchingSubnet');
    expect((await owner.make('ports', 'port', { network_id: network.id, device_owner: 'compute:nova' })).fixed_ips).toHaveLength(1);
    expect((await owner.post('subnets', { subnet: { network_id: network.id, ip_version: 4, cidr: '10.51.0.0/24', service_types: ['nobody'] } })).body.NeutronError.type).toBe('InvalidSubnetServiceType');
  });
});

describe('distributed routers', () => {
  it('are the operator\'s to make, and change while they are down', async () => {
    const router = await admin.make('routers', 'router', { distributed: false, ha: false, admin_state_up: true, project_id: owner.projectId });
    expect(router).toMatchObject({ distributed: false, ha: false });
    expect((await owner.post('routers', { router: { distributed: true } })).status).toBe(403);
    expect((await admin.put(`routers/${router.id}`, { router: { distributed: true } })).status).toBe(400);
    expect((await admin.put(`routers/${router.id}`, { router: { admin_state_up: false, distributed: true } })).body.router.distributed).toBe(true);
    expect((await owner.get(`routers/${router.id}`)).body.router).not.toHaveProperty('distributed');
  });
});

describe('what an operator may ask', () => {
  it('is how full networks are, and that there is no DHCP agent', async () => {
    const network = await owner.make('networks', 'network');
    await owner.make('subnets', 'subnet', { network_id: network.id, ip_version: 4, cidr: '10.60.0.0/24' });
    const { body } = await admin.get(`network-ip-availabilities/${network.id}`);
    expect(body.network_ip_availability).toMatchObject({ network_id: network.id, total_ips: 253, used_ips: 1 });
    expect((await admin.get(`network-ip-availabilities?network_id=${newHexId()}`)).body.network_ip_availabilities).toEqual([]);
    expect((await owner.get(`network-ip-availabilities/${network.id}`)).status).toBe(403);
    expect((await admin.get(`networks/${network.id}/dhcp-agents`)).body).toEqual({ agents: [] });
    expect((await admin.post(`agents/${newHexId()}/dhcp-networks`, { network_id: network.id })).status).toBe(404);
    expect((await owner.get('service-providers')).body.service_providers).toHaveLength(1);
  });
});
