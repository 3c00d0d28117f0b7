import { createHash } from 'node:crypto';
import { hostRange, formatAddress, parseCidr } from '@virga/domain';
import type { Db } from '../db/tables';
import { RowName, type DesiredResource, type DesiredRow } from './rows';

export const switchName = (networkId: string): string => `virga-${networkId}`;
export const METADATA_ADDRESS = '169.254.169.254';
const LEASE_SECONDS = 43_200;

/** A MAC that stays the same for an id: of the DHCP server, which is no port. */
const stableMac = (id: string): string => {
  const digest = createHash('sha256').update(id).digest();
  return `fa:16:3e:${[digest[0]!, digest[1]!, digest[2]!].map((octet) => octet.toString(16).padStart(2, '0')).join(':')}`;
};

export async function renderNetworks(db: Db, ids?: readonly string[]): Promise<DesiredResource[]> {
  const query = db.selectFrom('networks').selectAll();
  const networks = await (ids ? query.where('id', 'in', ids) : query).execute();
  return networks.map((network) => {
    const self = new RowName('network', network.id, 'switch');
    const rows: DesiredRow[] = [{
      table: 'Logical_Switch',
      part: 'switch',
      columns: { name: switchName(network.id) },
      externalIds: { 'virga:name': network.name, 'virga:mtu': String(network.mtu) },
    }];
    if (network.provider_physical_network) {
      rows.push({
        table: 'Logical_Switch_Port',
        part: 'localnet',
        parent: self,
        columns: {
          name: `provnet-${network.id}`, type: 'localnet', addresses: ['unknown'], options: { network_name: network.provider_physical_network },
          tag: network.provider_segmentation_id, enabled: Boolean(network.admin_state_up),
        },
      });
    }
    return { kind: 'network', id: network.id, revision: network.revision_number, rows };
  });
}

const set = (items: readonly string[]): string => `{${items.join(', ')}}`;

export interface SubnetFacts {
  id: string; ip_version: number; cidr: string; gateway_ip: string | null; enable_dhcp: number; ipv6_address_mode: string | null;
  dns_nameservers: string; host_routes: string; mtu: number; metadata: string | null; revision_number: number; external: number;
}

/** Options of OVN's DHCPv4 server. The route to the metadata service leads over the network's metadata port. */
export function dhcpv4Options(subnet: SubnetFacts): Record<string, string> {
  const routes = JSON.parse(subnet.host_routes) as { destination: string; nexthop: string }[];
  const own = [...(subnet.metadata ? [{ destination: `${METADATA_ADDRESS}/32`, nexthop: subnet.metadata }] : []), ...routes];
  // A client that takes classless routes ignores the router option (RFC 3442), so the default route is among them.
  const all = own.length > 0 && subnet.gateway_ip && !own.some(({ destination }) => destination === '0.0.0.0/0') ? [...own, { destination: '0.0.0.0/0', nexthop: subnet.gateway_ip }] : own;
  const servers = JSON.parse(subnet.dns_nameservers) as string[];
  return {
    server_id: subnet.gateway_ip ?? subnet.metadata ?? formatAddress({ version: 4, value: hostRange(parseCidr(subnet.cidr)!).start }),
    server_mac: stableMac(subnet.id),
    lease_time: String(LEASE_SECONDS),
    mtu: String(subnet.mtu),
    ...(subnet.gateway_ip && { router: subnet.gateway_ip }),
    ...(servers.length > 0 && { dns_server: set(servers) }),
    ...(all.length > 0 && { classless_static_route: set(all.map(({ destination, nexthop }) => `${destination},${nexthop}`)) }),
  };
}

export function dhcpv6Options(subnet: SubnetFacts): Record<string, string> {
  const servers = JSON.parse(subnet.dns_nameservers) as string[];
  return {
    server_id: stableMac(subnet.id),
    ...(servers.length > 0 && { dns_server: set(servers) }),
    ...(subnet.ipv6_address_mode === 'dhcpv6-stateless' && { dhcpv6_stateless: 'true' }),
  };
}

/** True when cards of this subnet ask OVN's DHCP server. */
export const servesDhcp = (subnet: { ip_version: number; enable_dhcp: number; ipv6_address_mode: string | null }): boolean =>
  Boolean(subnet.enable_dhcp) && (subnet.ip_version === 4 || (subnet.ipv6_address_mode?.startsWith('dhcpv6') ?? false));

/** What the DHCP server of subnets needs to know; of those named, or of all. */
export async function subnetFacts(db: Db, ids?: readonly string[]): Promise<SubnetFacts[]> {
  const query = db.selectFrom('subnets as s').innerJoin('networks as n', 'n.id', 's.network_id')
    .leftJoin('ports as m', (join) => join.onRef('m.network_id', '=', 's.network_id').on('m.device_owner', '=', 'network:distributed'))
    .leftJoin('ip_allocations as a', (join) => join.onRef('a.port_id', '=', 'm.id').onRef('a.subnet_id', '=', 's.id'))
    .select(['s.id', 's.ip_version', 's.cidr', 's.gateway_ip', 's.enable_dhcp', 's.ipv6_address_mode', 's.dns_nameservers', 's.host_routes', 's.revision_number', 'n.mtu', 'n.external', 'a.address as metadata']);
  return (ids ? query.where('s.id', 'in', ids) : query).execute();
}

export const dhcpOptions = (subnet: SubnetFacts): Record<string, string> => (subnet.ip_version === 4 ? dhcpv4Options(subnet) : dhcpv6Options(subnet));

export async function renderSubnets(db: Db, ids?: readonly string[]): Promise<DesiredResource[]> {
  return (await subnetFacts(db, ids)).map((subnet) => ({
    kind: 'subnet',
    id: subnet.id,
    revision: subnet.revision_number,
    rows: servesDhcp(subnet) ? [{
      table: 'DHCP_Options', part: 'dhcp', columns: { cidr: subnet.cidr, options: dhcpOptions(subnet) },
    }] : [],
  }));
}
