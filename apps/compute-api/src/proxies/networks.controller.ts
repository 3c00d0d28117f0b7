import { Controller, Get, Inject, Param } from '@nestjs/common';
import { CloudError, notFound, type RequestContext } from '@virga/core';
import { Authorize, Caller } from '@virga/rest';
import { Served, under } from '../microversions';
import { NEIGHBOUR_APIS } from '../tokens';
import { segment, type NeighbourApis } from './neighbour-api';

export interface NetworkFacts { id: string; name: string }

/** What compute knew of a network when it kept them itself; all but the name is empty since. */
const EMPTY = [
  'bridge', 'vpn_public_port', 'dhcp_start', 'bridge_interface', 'updated_at', 'cidr_v6', 'deleted_at', 'gateway', 'rxtx_base', 'priority', 'project_id', 'vpn_private_address', 'deleted',
  'vlan', 'broadcast', 'netmask', 'injected', 'cidr', 'vpn_public_address', 'multi_host', 'dns1', 'dns2', 'created_at', 'host', 'gateway_v6', 'netmask_v6', 'mtu', 'dhcp_server', 'enable_dhcp', 'share_address',
];
const ADMIN_ONLY = new Set([
  'bridge', 'vpn_public_port', 'dhcp_start', 'bridge_interface', 'updated_at', 'deleted_at', 'rxtx_base', 'priority', 'project_id', 'vpn_private_address', 'deleted', 'vlan', 'injected',
  'vpn_public_address', 'multi_host', 'created_at', 'host', 'mtu', 'dhcp_server', 'enable_dhcp', 'share_address',
]);
const network = ({ id, name }: NetworkFacts, caller: RequestContext) => ({
  ...Object.fromEntries(EMPTY.filter((key) => caller.roleNames.has('admin') || !ADMIN_ONLY.has(key)).map((key) => [key, null])), id, label: name,
});
const tenantNetwork = ({ id, name }: NetworkFacts) => ({ id, label: name, cidr: 'None' });

/** The network as the caller may see it; 404 in nova's words. */
async function find({ network: api }: NeighbourApis, caller: RequestContext, id: string): Promise<NetworkFacts> {
  try {
    return (await api.ask<{ network: NetworkFacts }>(caller, 'GET', `/v2.0/networks/${segment(id)}?fields=id&fields=name`)).network;
  } catch (error) {
    if (error instanceof CloudError && error.kind === 'notFound') throw notFound('Network not found');
    throw error;
  }
}
const all = async ({ network: api }: NeighbourApis, caller: RequestContext): Promise<NetworkFacts[]> =>
  (await api.ask<{ networks: NetworkFacts[] }>(caller, 'GET', '/v2.0/networks?fields=id&fields=name')).networks;

/** Networks as compute showed them until 2.35. */
@Controller(under('os-networks'))
export class NetworksController {
  constructor(@Inject(NEIGHBOUR_APIS) private readonly apis: NeighbourApis) {}

  @Get()
  @Served(1, 35)
  @Authorize('os_compute_api:os-networks:list')
  async list(@Caller() caller: RequestContext) {
    return { networks: (await all(this.apis, caller)).map((one) => network(one, caller)) };
  }

  @Get(':id')
  @Served(1, 35)
  @Authorize('os_compute_api:os-networks:show')
  async show(@Param('id') id: string, @Caller() caller: RequestContext) {
    return { network: network(await find(this.apis, caller, id), caller) };
  }
}

/** The same for users. */
@Controller(under('os-tenant-networks'))
export class TenantNetworksController {
  constructor(@Inject(NEIGHBOUR_APIS) private readonly apis: NeighbourApis) {}

  @Get()
  @Served(1, 35)
  @Authorize('os_compute_api:os-tenant-networks:list')
  async list(@Caller() caller: RequestContext) {
    return { networks: (await all(this.apis, caller)).map(tenantNetwork) };
  }

  @Get(':id')
  @Served(1, 35)
  @Authorize('os_compute_api:os-tenant-networks:show')
  async show(@Param('id') id: string, @Caller() caller: RequestContext) {
    return { network: tenantNetwork(await find(this.apis, caller, id)) };
  }
}
