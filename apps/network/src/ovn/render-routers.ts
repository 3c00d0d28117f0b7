import { createHash } from 'node:crypto';
import { parseCidr } from '@virga/domain';
import { groupBy } from '../db/group-by';
import type { Db } from '../db/tables';
import { routerPortName } from './render-ports';
import { RowName, type DesiredResource, type DesiredRow } from './rows';

/** Chassis that can carry a gateway to a physical network (null: any), in no particular order. */
export interface GatewayHosts { candidates(physicalNetwork: string | null): string[] }

/** How many hosts stand by for a gateway. */
const MAX_GATEWAY_HOSTS = 5;

interface RouterPort { id: string; mac_address: string; network_id: string; mtu: number; physical_network: string | null; gateway: boolean; addresses: Address[] }
interface Address { port_id: string; address: string; ip_version: number; cidr: string; gateway_ip: string | null; ipv6_ra_mode: string | null; dns_nameservers: string }

/** An order of the hosts that differs from router to router, so that gateways spread. */
export function rankHosts(routerId: string, hosts: readonly string[]): string[] {
  const weight = (host: string) => createHash('sha256').update(`${routerId} ${host}`).digest('hex');
  return [...hosts].sort((a, b) => (weight(a) < weight(b) ? 1 : -1)).slice(0, MAX_GATEWAY_HOSTS);
}

const RA_MODES: Record<string, string> = { slaac: 'slaac', 'dhcpv6-stateful': 'dhcpv6_stateful', 'dhcpv6-stateless': 'dhcpv6_stateless' };

function advertisement(port: RouterPort): Record<string, string> {
  const subnet = port.addresses.find(({ ip_version, ipv6_ra_mode }) => ip_version === 6 && ipv6_ra_mode !== null);
  if (!subnet || port.gateway) return {};
  const [server] = JSON.parse(subnet.dns_nameservers) as string[];
  return { address_mode: RA_MODES[subnet.ipv6_ra_mode!]!, send_periodic: 'true', mtu: String(port.mtu), ...(server && { rdnss: server }) };
}

const withPrefix = ({ address, cidr }: Address): string => `${address}/${parseCidr(cidr)!.prefix}`;

function portRows(routerId: string, port: RouterPort, gateways: GatewayHosts, highlyAvailable: boolean): DesiredRow[] {
  const part = `port/${port.id}`;
  const hosts = port.gateway ? rankHosts(routerId, gateways.candidates(port.physical_network)).slice(0, highlyAvailable ? MAX_GATEWAY_HOSTS : 1) : [];
  return [
    {
      table: 'Logical_Router_Port', part, parent: new RowName('router', routerId, 'router'),
      columns: { name: routerPortName(port.id), mac: port.mac_address, networks: port.addresses.map(withPrefix), ipv6_ra_configs: advertisement(port) },
    },
    ...hosts.map((host, index): DesiredRow => ({
      table: 'Gateway_Chassis', part: `gateway/${port.id}/${host}`, parent: new RowName('router', routerId, part),
      columns: { name: `${routerPortName(port.id)}_${host}`, chassis_name: host, priority: hosts.length - index },
    })),
  ];
}

const routeRow = (routerId: string, part: string, prefix: string, nexthop: string): DesiredRow =>
  ({ table: 'Logical_Router_Static_Route', part, parent: new RowName('router', routerId, 'router'), columns: { ip_prefix: prefix, nexthop } });

function gatewayRows(routerId: string, gateway: RouterPort, inside: RouterPort[], snat: boolean): DesiredRow[] {
  const rows: DesiredRow[] = [];
  for (const version of [4, 6]) {
    const nexthop = gateway.addresses.find(({ ip_version, gateway_ip }) => ip_version === version && gateway_ip !== null)?.gateway_ip;
    if (nexthop) rows.push(routeRow(routerId, `default/${version}`, version === 4 ? '0.0.0.0/0' : '::/0', nexthop));
  }
  const outside = gateway.addresses.find(({ ip_version }) => ip_version === 4)?.address;
  if (!snat || !outside) return rows;
  const blocks = new Set(inside.flatMap(({ addresses }) => addresses).filter(({ ip_version }) => ip_version === 4).map(({ cidr }) => cidr));
  for (const block of blocks) {
    rows.push({ table: 'NAT', part: `snat/${block}`, parent: new RowName('router', routerId, 'router'), columns: { type: 'snat', external_ip: outside, logical_ip: block } });
  }
  return rows;
}

async function routerPorts(db: Db, ids: readonly string[] | undefined): Promise<Map<string, RouterPort[]>> {
  const inside = db.selectFrom('router_interfaces as i').innerJoin('ports as p', 'p.id', 'i.port_id').innerJoin('networks as n', 'n.id', 'p.network_id')
    .select(['i.router_id', 'p.id', 'p.mac_address', 'p.network_id', 'n.mtu', 'n.provider_physical_network as physical_network']);
  const outside = db.selectFrom('routers as r').innerJoin('ports as p', 'p.id', 'r.gateway_port_id').innerJoin('networks as n', 'n.id', 'p.network_id')
    .select(['r.id as router_id', 'p.id', 'p.mac_address', 'p.network_id', 'n.mtu', 'n.provider_physical_network as physical_network']);
  const [interfaces, gateways] = [await (ids ? inside.where('i.router_id', 'in', ids) : inside).execute(), await (ids ? outside.where('r.id', 'in', ids) : outside).execute()];
  const portIds = [...interfaces, ...gateways].map(({ id }) => id);
  const addresses = portIds.length === 0 ? [] : await db.selectFrom('ip_allocations as a').innerJoin('subnets as s', 's.id', 'a.subnet_id')
    .select(['a.port_id', 'a.address', 's.ip_version', 's.cidr', 's.gateway_ip', 's.ipv6_ra_mode', 's.dns_nameservers']).where('a.port_id', 'in', portIds).orderBy('a.position').execute();
  const byPort = groupBy(addresses, ({ port_id }) => port_id);
  const all = [...interfaces.map((port) => ({ ...port, gateway: false })), ...gateways.map((port) => ({ ...port, gateway: true }))]
    .map((port) => ({ ...port, addresses: byPort.get(port.id) ?? [] }))
    // A router port without an address is refused by OVN.
    .filter((port) => port.addresses.length > 0);
  return groupBy(all, (port) => port.router_id);
}

export async function renderRouters(db: Db, gateways: GatewayHosts, ids?: readonly string[]): Promise<DesiredResource[]> {
  const query = db.selectFrom('routers').selectAll();
  const routers = await (ids ? query.where('id', 'in', ids) : query).execute();
  const ports = await routerPorts(db, ids);
  return routers.map((router) => {
    const own = ports.get(router.id) ?? [];
    const gateway = own.find((port) => port.gateway);
    const routes = JSON.parse(router.routes) as { destination: string; nexthop: string }[];
    return {
      kind: 'router',
      id: router.id,
      revision: router.revision_number,
      rows: [
        {
          table: 'Logical_Router', part: 'router', externalIds: { 'virga:name': router.name },
          columns: { name: `virga-${router.id}`, enabled: Boolean(router.admin_state_up), options: { dynamic_neigh_routers: 'true', always_learn_from_arp_request: 'false' } },
        },
        ...own.flatMap((port) => portRows(router.id, port, gateways, Boolean(router.ha))),
        ...(gateway ? gatewayRows(router.id, gateway, own.filter((port) => !port.gateway), Boolean(router.enable_snat)) : []),
        ...routes.map(({ destination, nexthop }) => routeRow(router.id, `route/${destination}/${nexthop}`, destination, nexthop)),
      ],
    };
  });
}

/** Where a floating IP is translated: on the host of its port, under a MAC of its own; or (nulls) on the gateway's host. */
const placeOf = (floating: { distributed: number | null; outside_mac: string | null; port_id: string | null }) =>
  (floating.distributed ? { external_mac: floating.outside_mac, logical_port: floating.port_id } : { external_mac: null, logical_port: null });

/** A floating IP is a translation on its router; without a port it has no rows. */
export async function renderFloatingIps(db: Db, ids?: readonly string[]): Promise<DesiredResource[]> {
  const query = db.selectFrom('floatingips as f').leftJoin('routers as r', 'r.id', 'f.router_id').leftJoin('ports as o', 'o.id', 'f.floating_port_id')
    .selectAll('f').select(['r.distributed', 'o.mac_address as outside_mac']);
  const floatingIps = await (ids ? query.where('f.id', 'in', ids) : query).execute();
  return floatingIps.map((floating) => ({
    kind: 'floatingip',
    id: floating.id,
    revision: floating.revision_number,
    rows: floating.router_id && floating.fixed_ip_address ? [{
      table: 'NAT', part: 'nat', parent: new RowName('router', floating.router_id, 'router'),
      columns: { type: 'dnat_and_snat', external_ip: floating.floating_ip_address, logical_ip: floating.fixed_ip_address, ...placeOf(floating) },
      externalIds: { 'virga:port_id': floating.port_id ?? '' },
    }] : [],
  }));
}
