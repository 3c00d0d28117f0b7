import type { Site } from '../site';
import type { RestClient } from './rest-client';

/** The provider network of every host's external bridge. */
export const EXTERNAL_PHYSICAL_NETWORK = 'physnet1';

/** The external network `public` with its subnet: the machine itself is the gateway. */
export async function seedExternalNetwork(client: RestClient, site: Site): Promise<string> {
  const { networks } = await client.request<{ networks: { id: string }[] }>('GET', 'network', '/v2.0/networks?name=public&router:external=true');
  const known = networks[0];
  const network = known ?? (await client.request<{ network: { id: string } }>('POST', 'network', '/v2.0/networks', {
    body: { network: { name: 'public', 'router:external': true, 'provider:network_type': 'flat', 'provider:physical_network': EXTERNAL_PHYSICAL_NETWORK } },
  })).network;
  const { subnets } = await client.request<{ subnets: { id: string }[] }>('GET', 'network', `/v2.0/subnets?network_id=${network.id}`);
  if (subnets.length > 0) return 'there';
  const [start, end] = site.external.pool;
  await client.request('POST', 'network', '/v2.0/subnets', {
    body: {
      subnet: {
        name: 'public-subnet', network_id: network.id, ip_version: 4, cidr: site.external.cidr, gateway_ip: site.external.address,
        enable_dhcp: false, allocation_pools: [{ start, end }],
      },
    },
  });
  return known ? 'subnet made' : 'made';
}
