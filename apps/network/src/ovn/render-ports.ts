import { parseCidr } from '@virga/domain';
import type { Selectable } from '@virga/db';
import { groupBy } from '../db/group-by';
import type { Db, PortTable } from '../db/tables';
import { RowName, type ColumnValue, type DesiredResource, type DesiredRow } from './rows';
import { DROP_GROUP, portGroupName } from './render-groups';
import { dhcpOptions, servesDhcp, subnetFacts, type SubnetFacts } from './render-networks';
import { ovnDhcpOptions, type DhcpOption } from '../ports/dhcp-options';

interface Address { port_id: string; address: string; subnet_id: string; ip_version: number; cidr: string; enable_dhcp: number; ipv6_address_mode: string | null }
interface Pair { mac_address: string; ip_address: string }
type Port = Selectable<PortTable>;

export const routerPortName = (portId: string): string => `lrp-${portId}`;

/** Addresses that the port may send from, by MAC: its own, and those of its pairs. */
export function portSecurity(mac: string, addresses: readonly string[], pairs: readonly Pair[]): string[] {
  const byMac = new Map<string, string[]>([[mac, [...addresses]]]);
  for (const pair of pairs) byMac.set(pair.mac_address, [...(byMac.get(pair.mac_address) ?? []), pair.ip_address]);
  return [...byMac].map(([key, own]) => [key, ...new Set(own)].join(' '));
}

const servedAddress = (addresses: readonly Address[], version: 4 | 6): Address | undefined =>
  addresses.find((address) => address.ip_version === version && servesDhcp(address));
const extraOptions = (port: Port, version: 4 | 6): Record<string, string> => ovnDhcpOptions(JSON.parse(port.extra_dhcp_opts) as DhcpOption[], version);
const hasExtra = (port: Port, version: 4 | 6): boolean => Object.keys(extraOptions(port, version)).length > 0;

/** The subnet's options, or the port's own copy when it has more. */
function dhcpRef(port: Port, addresses: readonly Address[], version: 4 | 6): RowName | null {
  const served = servedAddress(addresses, version);
  if (!served) return null;
  return hasExtra(port, version) ? new RowName('port', port.id, `dhcp${version}`) : new RowName('subnet', served.subnet_id, 'dhcp');
}

/** The options of ports that have more than their subnet: the subnet's with their own on top. */
function optionRows(port: Port, addresses: readonly Address[], subnets: ReadonlyMap<string, SubnetFacts>): DesiredRow[] {
  return ([4, 6] as const).flatMap((version): DesiredRow[] => {
    const subnet = subnets.get(servedAddress(addresses, version)?.subnet_id ?? '');
    if (!subnet || !hasExtra(port, version)) return [];
    return [{ table: 'DHCP_Options', part: `dhcp${version}`, columns: { cidr: subnet.cidr, options: { ...dhcpOptions(subnet), ...extraOptions(port, version) } } }];
  });
}

/**
 * The host that may realise the port. While its instance moves, both ends: the destination forwards nothing until QEMU
 * announces the guest there by RARP, so that no packet comes twice and none is lost to a late change.
 */
function chassisOptions({ binding_host_id: host, binding_next_host_id: next }: Port): Record<string, string> {
  if (host === '') return {};
  return next === '' ? { 'requested-chassis': host } : { 'requested-chassis': `${host},${next}`, 'activation-strategy': 'rarp' };
}

/** An instance's card (or whatever else a user plugs in): bound to its host, unable to send as another. */
function cardColumns(port: Port, addresses: readonly Address[]): Record<string, ColumnValue> {
  const own = addresses.map(({ address }) => address);
  const pairs = JSON.parse(port.allowed_address_pairs) as Pair[];
  const foreignMacs = [...new Set(pairs.map((pair) => pair.mac_address))].filter((mac) => mac !== port.mac_address);
  return {
    type: '',
    addresses: [[port.mac_address, ...own].join(' '), ...foreignMacs, ...(port.port_security_enabled ? [] : ['unknown'])],
    port_security: port.port_security_enabled ? portSecurity(port.mac_address, own, pairs) : [],
    dhcpv4_options: dhcpRef(port, addresses, 4),
    dhcpv6_options: dhcpRef(port, addresses, 6),
    options: chassisOptions(port),
  };
}

const metadataColumns = (port: Port, addresses: readonly Address[]): Record<string, ColumnValue> => ({
  type: 'localport', addresses: [[port.mac_address, ...addresses.map(({ address }) => address)].join(' ')], port_security: [], dhcpv4_options: null, dhcpv6_options: null, options: {},
});

const routerColumns = (port: Port): Record<string, ColumnValue> => ({
  type: 'router', addresses: ['router'], port_security: [], dhcpv4_options: null, dhcpv6_options: null,
  // Announces the router's outside addresses when its gateway moves to another host.
  options: { 'router-port': routerPortName(port.id), ...(port.device_owner === 'network:router_gateway' && { 'nat-addresses': 'router' }) },
});

const COLUMNS: Record<string, (port: Port, addresses: readonly Address[]) => Record<string, ColumnValue>> = {
  'network:distributed': metadataColumns, 'network:router_interface': routerColumns, 'network:router_gateway': routerColumns,
};

/** Owners of ports that hold an address and are plugged in nowhere. */
const WITHOUT_ROW = new Set(['network:floatingip']);

function portRow(port: Port, addresses: readonly Address[], groups: readonly string[]): DesiredRow {
  const special = Object.hasOwn(COLUMNS, port.device_owner) ? COLUMNS[port.device_owner] : undefined;
  const secured = !special && Boolean(port.port_security_enabled);
  return {
    table: 'Logical_Switch_Port',
    part: 'port',
    parent: new RowName('network', port.network_id, 'switch'),
    columns: { name: port.id, enabled: Boolean(port.admin_state_up), ...(special ?? cardColumns)(port, addresses) },
    externalIds: {
      'virga:name': port.name, 'virga:project_id': port.project_id, 'virga:device_id': port.device_id, 'virga:device_owner': port.device_owner,
      'virga:cidrs': addresses.map(({ address, cidr }) => `${address}/${parseCidr(cidr)!.prefix}`).join(' '),
    },
    groups: secured ? [DROP_GROUP, ...groups.map(portGroupName)] : [],
  };
}

export async function renderPorts(db: Db, ids?: readonly string[]): Promise<DesiredResource[]> {
  const query = db.selectFrom('ports').selectAll();
  const ports = await (ids ? query.where('id', 'in', ids) : query).execute();
  const addressQuery = db.selectFrom('ip_allocations as a').innerJoin('subnets as s', 's.id', 'a.subnet_id')
    .select(['a.port_id', 'a.address', 'a.subnet_id', 's.ip_version', 's.cidr', 's.enable_dhcp', 's.ipv6_address_mode']).orderBy('a.position');
  const addresses = groupBy(await (ids ? addressQuery.where('a.port_id', 'in', ids) : addressQuery).execute(), ({ port_id }) => port_id);
  const groupQuery = db.selectFrom('port_security_groups').selectAll();
  const groups = groupBy(await (ids ? groupQuery.where('port_id', 'in', ids) : groupQuery).execute(), ({ port_id }) => port_id);
  const withOptions = ports.filter(({ extra_dhcp_opts: options }) => options !== '[]').flatMap(({ id }) => addresses.get(id) ?? []);
  const facts = withOptions.length === 0 ? [] : await subnetFacts(db, [...new Set(withOptions.map(({ subnet_id }) => subnet_id))]);
  const subnets = new Map(facts.map((subnet) => [subnet.id, subnet]));
  return ports.map((port) => ({
    kind: 'port',
    id: port.id,
    revision: port.revision_number,
    rows: WITHOUT_ROW.has(port.device_owner) ? []
      : [...optionRows(port, addresses.get(port.id) ?? [], subnets), portRow(port, addresses.get(port.id) ?? [], (groups.get(port.id) ?? []).map(({ security_group_id }) => security_group_id))],
  }));
}
