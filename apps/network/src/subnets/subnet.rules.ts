import { badRequest, conflict, type CloudError } from '@virga/core';
import {
  canonicalAddress, containsAddress, defaultGateway, defaultPools, formatAddress, formatRange, hostRange, inRange, parseAddress, parseCidr, parsePool, rangesOverlap,
  type AddressRange, type Cidr, type Pool,
} from '@virga/domain';

const refuse = (message: string): CloudError => badRequest(`Invalid input for operation: ${message}`, { type: 'InvalidInput' });
const invalid = (attribute: string, reason: string): CloudError => badRequest(`Invalid input for ${attribute}. Reason: ${reason}.`, { type: 'HTTPBadRequest' });

/** The block of a new subnet. SLAAC needs a prefix of 64 bits. */
export function readCidr(text: string | undefined, version: 4 | 6, addressMode: string | null): Cidr {
  if (text === undefined) throw badRequest('Bad subnets request: a subnetpool must be specified in the absence of a cidr.', { type: 'BadRequest' });
  const cidr = parseCidr(text);
  if (!cidr) throw refuse(`${text} is not in a CIDR format.`);
  if (cidr.version !== version) throw refuse(`cidr ${text} does not match the ip_version '${version}'`);
  if (cidr.prefix === 0) throw refuse(`0 is not allowed as CIDR prefix length`);
  if (addressMode && addressMode !== 'dhcpv6-stateful' && cidr.prefix !== 64) throw refuse(`Invalid CIDR ${text} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64`);
  const first = cidr.version === 4 ? Number(cidr.network >> 24n) : 0;
  if (first === 127 || first >= 224) throw refuse(`${text} is not a block that hosts can have addresses of`);
  return cidr;
}

/** Null: the subnet has none. Absent: the first address of the block. */
export function readGateway(cidr: Cidr, gateway: string | null | undefined): string | null {
  if (gateway === null) return null;
  if (gateway === undefined) return formatAddress(defaultGateway(cidr));
  const address = parseAddress(gateway);
  if (!address) throw invalid('gateway_ip', `'${gateway}' is not a valid IP address`);
  const linkLocal = address.version === 6 && address.value >> 118n === 0x3fan;
  if (!linkLocal && (!containsAddress(cidr, address) || !inRange(hostRange(cidr), address.value))) throw badRequest('Gateway is not valid on subnet.', { type: 'GatewayNotValidOnSubnet' });
  return formatAddress(address);
}

/** Checked pools, in ascending order; the default ones when none are given. */
export function readPools(cidr: Cidr, gateway: string | null, pools: Pool[] | undefined): Pool[] {
  if (!pools) return defaultPools(cidr, gateway === null ? null : parseAddress(gateway)!).map((range) => formatRange(cidr.version, range));
  const ranges = pools.map((pool): AddressRange => {
    const range = parsePool(cidr.version, pool);
    if (!range) throw badRequest(`The allocation pool ${pool.start}-${pool.end} is not valid.`, { type: 'InvalidAllocationPool' });
    const hosts = hostRange(cidr);
    if (!inRange(hosts, range.start) || !inRange(hosts, range.end)) throw badRequest(`The allocation pool ${pool.start}-${pool.end} spans beyond the subnet cidr ${formatSubnet(cidr)}.`, { type: 'OutOfBoundsAllocationPool' });
    return range;
  }).sort((a, b) => (a.start < b.start ? -1 : 1));
  for (const [index, range] of ranges.entries()) {
    if (index > 0 && rangesOverlap(ranges[index - 1]!, range)) throw conflict(`Found overlapping allocation pools for subnet ${formatSubnet(cidr)}.`, { type: 'OverlappingAllocationPools' });
  }
  assertGatewayOutside(ranges, cidr, gateway);
  return ranges.map((range) => formatRange(cidr.version, range));
}

const formatSubnet = (cidr: Cidr): string => `${formatAddress({ version: cidr.version, value: cidr.network })}/${cidr.prefix}`;

function assertGatewayOutside(ranges: AddressRange[], cidr: Cidr, gateway: string | null): void {
  const address = gateway === null ? undefined : parseAddress(gateway);
  const hit = address && ranges.find((range) => inRange(range, address.value));
  if (hit) {
    const { start, end } = formatRange(cidr.version, hit);
    throw conflict(`Gateway ip ${gateway} conflicts with allocation pool ${start}-${end}.`, { type: 'GatewayConflictWithAllocationPools' });
  }
}

/** Name servers in canonical form; 400 for what is no address or is there twice. */
export function readNameservers(servers: string[]): string[] {
  const canonical = servers.map((server) => {
    const address = canonicalAddress(server);
    if (!address) throw invalid('dns_nameservers', `'${server}' is not a valid nameserver. '${server}' is not a valid IP address`);
    return address;
  });
  if (new Set(canonical).size < canonical.length) throw invalid('dns_nameservers', `Duplicate items in the list: '${servers.join(', ')}'`);
  return canonical;
}

/** Routes with canonical destination and next hop of one version. */
export function readRoutes(routes: { destination: string; nexthop: string }[], attribute: string, version?: 4 | 6): { destination: string; nexthop: string }[] {
  return routes.map(({ destination, nexthop }) => {
    const [block, hop] = [parseCidr(destination), parseAddress(nexthop)];
    if (!block) throw invalid(attribute, `'${destination}' is not a valid CIDR`);
    if (!hop) throw invalid(attribute, `'${nexthop}' is not a valid IP address`);
    if (block.version !== hop.version || (version && block.version !== version)) throw refuse(`${attribute}: destination ${destination} and nexthop ${nexthop} are not of the same IP version`);
    return { destination: formatSubnet(block), nexthop: formatAddress(hop) };
  });
}

/** RA and address mode must agree when both are set, and mean nothing in IPv4 or without DHCP. */
export function checkIpv6Modes(version: 4 | 6, raMode: string | null, addressMode: string | null, dhcp: boolean): void {
  if (!raMode && !addressMode) return;
  if (version === 4) throw refuse('ipv6_ra_mode and ipv6_address_mode cannot be set when ip_version is 4.');
  if (!dhcp) throw refuse('ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False.');
  if (raMode && addressMode && raMode !== addressMode) throw refuse(`ipv6_ra_mode set to '${raMode}' with ipv6_address_mode set to '${addressMode}' is not valid. If both attributes are set, they must be the same value`);
}

const OWNER = /^(network|compute|baremetal|neutron|manila|trove|octavia):?/i;
/** Device owners that a subnet is kept for; each begins with the word of a service. */
export function readServiceTypes(types: string[]): string[] {
  for (const type of types) {
    if (!OWNER.test(type)) throw badRequest(`Subnet service type ${type} does not correspond to a valid device owner.`, { type: 'InvalidSubnetServiceType' });
  }
  return [...new Set(types)];
}
