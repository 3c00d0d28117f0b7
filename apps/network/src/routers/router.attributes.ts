import { Type } from '@sinclair/typebox';
import type { Attributes } from '../api/attributes';
import { Id, Nullable, STANDARD_ATTRIBUTES, Text } from '../api/standard-attributes';
import { Routes } from '../subnets/subnet.attributes';

const GatewayInfo = Type.Object({
  network_id: Type.Optional(Id),
  enable_snat: Type.Optional(Type.Boolean()),
  external_fixed_ips: Type.Optional(Type.Array(Type.Object({ subnet_id: Type.Optional(Id), ip_address: Type.Optional(Text(45)) }, { additionalProperties: false }), { maxItems: 8 })),
}, { additionalProperties: false });

export const ROUTER_ATTRIBUTES = {
  ...STANDARD_ATTRIBUTES,
  admin_state_up: { schema: Type.Boolean(), in: 'both', default: true },
  status: { schema: Type.String() },
  external_gateway_info: { schema: Nullable(GatewayInfo), in: 'both', column: false },
  routes: { schema: Nullable(Routes), in: 'put', opaque: true },
  availability_zone_hints: { schema: Type.Array(Text(), { maxItems: 16 }), in: 'post', default: [], opaque: true },
  distributed: { schema: Type.Boolean(), in: 'both' },
  ha: { schema: Type.Boolean(), in: 'both' },
} as const satisfies Attributes;
