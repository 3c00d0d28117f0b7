import { Type } from '@sinclair/typebox';
import type { Attributes } from '../api/attributes';
import { Id, Nullable, STANDARD_ATTRIBUTES, Text } from '../api/standard-attributes';

const Ipv6Mode = Nullable(Type.Union([Type.Literal('slaac'), Type.Literal('dhcpv6-stateful'), Type.Literal('dhcpv6-stateless')]));
const Pools = Type.Array(Type.Object({ start: Text(45), end: Text(45) }, { additionalProperties: false }), { maxItems: 64 });
export const Routes = Type.Array(Type.Object({ destination: Text(64), nexthop: Text(45) }, { additionalProperties: false }), { maxItems: 30 });

export const SUBNET_ATTRIBUTES = {
  ...STANDARD_ATTRIBUTES,
  network_id: { schema: Id, in: 'post', required: true },
  ip_version: { schema: Type.Union([Type.Literal(4), Type.Literal(6)]), in: 'post' },
  subnetpool_id: { schema: Nullable(Id), in: 'post' },
  use_default_subnetpool: { schema: Type.Boolean(), in: 'post', column: false },
  prefixlen: { schema: Type.Integer({ minimum: 0, maximum: 128 }), in: 'post', column: false },
  cidr: { schema: Text(64), in: 'post' },
  gateway_ip: { schema: Nullable(Text(45)), in: 'both' },
  enable_dhcp: { schema: Type.Boolean(), in: 'both', default: true },
  ipv6_ra_mode: { schema: Ipv6Mode, in: 'post', default: null },
  ipv6_address_mode: { schema: Ipv6Mode, in: 'post', default: null },
  allocation_pools: { schema: Pools, in: 'both', opaque: true },
  dns_nameservers: { schema: Type.Array(Text(45), { maxItems: 5 }), in: 'both', default: [], opaque: true },
  host_routes: { schema: Routes, in: 'both', default: [], opaque: true },
  service_types: { schema: Type.Array(Text(), { maxItems: 16 }), in: 'both', default: [], opaque: true },
} as const satisfies Attributes;
