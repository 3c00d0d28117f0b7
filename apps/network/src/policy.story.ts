import { join } from 'node:path';
import { newHexId } from '@virga/core';
import { routesOf } from '@virga/rest';
import { cellsOf, changedBy, openTo, policyTable, upsideDown, walkPolicies } from '@virga/testing';
import { ApiUser, NetworkHarness } from './testing/network-harness';

/** Who may do what, read and agreed on; POLICY_TABLE_WRITE=1 writes what the service does, for review. */
const TABLE = join(__dirname, 'policy-table.tsv');
/** Answer to everybody, without a token. */
const OPEN = ['GET /'];
type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

describe('every route as every persona', () => {
  let harness: NetworkHarness;
  let walked: string[];

  beforeAll(async () => {
    harness = await NetworkHarness.start('network_policy');
    const admin = harness.admin();
    const owner = harness.user();
    const { projectId } = owner;
    const sign = (roles: string[]) => harness.user({ projectId, roles }).token!;
    const { fastify } = owner;
    const external = await admin.make('networks', 'network', { 'router:external': true });
    await admin.make('subnets', 'subnet', { network_id: external.id, ip_version: 4, cidr: '203.0.112.0/20' });
    // What a body names is there for all requests; what a path names is made anew.
    const network = await owner.make('networks', 'network');
    const subnet = await owner.make('subnets', 'subnet', { network_id: network.id, ip_version: 4, cidr: '10.9.0.0/24' });
    const group = await owner.make('security-groups', 'security_group', { name: 'g' });
    let block = 0;
    const made = async (path: string, singular: string, attributes: Record<string, unknown> = {}): Promise<string> => (await owner.make(path, singular, attributes)).id;
    const values: Record<string, string> = { quotas: projectId, 'v2.0/:resource': 'networks', tags: 'tag', extensions: 'router', 'network-ip-availabilities': network.id };
    /** What a path may name, each of it the project's own, by the segment before. */
    const makers: Record<string, () => Promise<string>> = {
      networks: () => made('networks', 'network'),
      subnets: () => made('subnets', 'subnet', { network_id: network.id, ip_version: 4, cidr: `10.150.${block++}.0/24` }),
      ports: () => made('ports', 'port', { network_id: network.id }),
      routers: () => made('routers', 'router'),
      floatingips: () => made('floatingips', 'floatingip', { floating_network_id: external.id }),
      'security-groups': () => made('security-groups', 'security_group', { name: 'g' }),
      'security-group-rules': () => made('security-group-rules', 'security_group_rule', { security_group_id: group.id, direction: 'ingress', protocol: 'tcp', port_range_min: 1000 + block++, port_range_max: 5000 }),
      subnetpools: () => made('subnetpools', 'subnetpool', { name: 'p', prefixes: ['10.0.0.0/8', '12.0.0.0/24'], default_prefixlen: 24 }),
      'address-scopes': () => made('address-scopes', 'address_scope', { name: 's', ip_version: 4 }),
      'rbac-policies': async () => made('rbac-policies', 'rbac_policy', { object_type: 'network', object_id: network.id, action: 'access_as_shared', target_tenant: newHexId() }),
      async ':resource'() {
        const id = await made('networks', 'network');
        await owner.send('PUT', `/v2.0/networks/${id}/tags`, { tags: ['tag'] });
        return id;
      },
    };
    const unlimited = Object.fromEntries(['network', 'subnet', 'port', 'router', 'floatingip', 'security_group', 'security_group_rule', 'rbac_policy', 'subnetpool'].map((name) => [name, -1]));

    walked = await walkPolicies({
      routes: routesOf(harness.app.http).filter(({ path }) => !path.endsWith('*')),
      versions: [''],
      personas: {
        admin: sign(['admin']), manager: sign(['manager']), member: owner.token!, reader: sign(['reader']),
        'other-member': harness.user().token!, 'other-admin': harness.admin().token!,
        'domain-admin': harness.identity.sign({ domain: true, roles: ['admin'] }), 'system-reader': harness.identity.sign({ system: true, roles: ['reader'] }), 'no-role': sign([]), 'no-token': null,
      },
      // The input is judged before the policy, so that it must be right.
      bodies: {
        'POST /v2.0/networks': { network: {} }, 'PUT /v2.0/networks/:id': { network: { name: 'x' } },
        'POST /v2.0/subnets': { subnet: { network_id: network.id, ip_version: 4, cidr: '10.9.0.0/24' } }, 'PUT /v2.0/subnets/:id': { subnet: { name: 'x' } },
        'POST /v2.0/ports': { port: { network_id: network.id } }, 'PUT /v2.0/ports/:id': { port: { name: 'x' } },
        'POST /v2.0/routers': { router: {} }, 'PUT /v2.0/routers/:id': { router: { name: 'x' } },
        'PUT /v2.0/routers/:id/add_router_interface': { subnet_id: subnet.id }, 'PUT /v2.0/routers/:id/remove_router_interface': { subnet_id: subnet.id },
        'PUT /v2.0/routers/:id/add_extraroutes': { router: { routes: [] } }, 'PUT /v2.0/routers/:id/remove_extraroutes': { router: { routes: [] } },
        'POST /v2.0/floatingips': { floatingip: { floating_network_id: external.id } }, 'PUT /v2.0/floatingips/:id': { floatingip: { description: 'x' } },
        'POST /v2.0/security-groups': { security_group: { name: 'x' } }, 'PUT /v2.0/security-groups/:id': { security_group: { name: 'x' } },
        'POST /v2.0/security-group-rules': { security_group_rule: { security_group_id: group.id, direction: 'ingress', protocol: 'tcp', port_range_min: 1, port_range_max: 1 } },
        'POST /v2.0/subnetpools': { subnetpool: { name: 'x', prefixes: ['10.0.0.0/8'], default_prefixlen: 24 } }, 'PUT /v2.0/subnetpools/:id': { subnetpool: { name: 'x' } },
        'PUT /v2.0/subnetpools/:id/add_prefixes': { prefixes: ['11.0.0.0/24'] }, 'PUT /v2.0/subnetpools/:id/remove_prefixes': { prefixes: ['12.0.0.0/24'] },
        'POST /v2.0/address-scopes': { address_scope: { name: 'x', ip_version: 4 } }, 'PUT /v2.0/address-scopes/:id': { address_scope: { name: 'x' } },
        'POST /v2.0/rbac-policies': { rbac_policy: { object_type: 'network', object_id: network.id, action: 'access_as_shared', target_tenant: newHexId() } }, 'PUT /v2.0/rbac-policies/:id': { rbac_policy: { target_tenant: newHexId() } },
        'PUT /v2.0/quotas/:project': { quota: { network: -1 } }, 'PUT /v2.0/:resource/:id/tags': { tags: ['tag'] },
      },
      async fixtures(route) {
        // Also after the walk has deleted it.
        if ((await admin.put(`quotas/${projectId}`, { quota: unlimited })).status !== 200) throw new Error('the quota was not set');
        for (const [name, make] of Object.entries(makers)) if (route === undefined || route.path.includes(`/${name}/`)) values[name] = await make();
        return values;
      },
      send: async (method, path, token, _version, body) => (await new ApiUser(fastify, token ?? undefined, '').send(method as Method, path, body)).status,
    });
  }, 400_000);
  afterAll(() => harness.stop());

  it('is let through where the table says', () => {
    const { agreed, served } = policyTable(TABLE, walked);
    expect(served).toEqual(agreed);
  });

  it('needs a token but for the versions', () => { expect(openTo(walked, 'no-token').map(({ route }) => route)).toEqual(OPEN); });
  it('finds nothing of another project', () => { expect(cellsOf(walked).filter(({ path, as }) => path.includes('/:id') && as('other-member') === 'pass')).toEqual([]); });
  it('cannot change anything as a reader', () => { expect(changedBy(walked, 'reader')).toEqual([]); });
  it('can no less as a manager than as a member, as a member than as a reader', () => {
    expect(upsideDown(walked)).toEqual([]);
  });
});
