import { Type } from '@sinclair/typebox';
import type { Attributes } from '../api/attributes';
import { Id, Nullable, STANDARD_ATTRIBUTES, Text } from '../api/standard-attributes';

const FixedIp = Type.Object({ subnet_id: Type.Optional(Id), ip_address: Type.Optional(Text(45)) }, { additionalProperties: false });
const DhcpOption = Type.Object({
  opt_name: Text(64), opt_value: Type.Optional(Nullable(Text())), ip_version: Type.Optional(Type.Union([Type.Literal(4), Type.Literal(6)])),
}, { additionalProperties: false });
const AddressPair = Type.Object({ ip_address: Text(64), mac_address: Type.Optional(Nullable(Text(17))) }, { additionalProperties: false });

export const PORT_ATTRIBUTES = {
  ...STANDARD_ATTRIBUTES,
  network_id: { schema: Id, in: 'post', required: true },
  mac_address: { schema: Nullable(Text(17)), in: 'both' },
  admin_state_up: { schema: Type.Boolean(), in: 'both', default: true },
  status: { schema: Type.String() },
  device_id: { schema: Text(), in: 'both', default: '' },
  device_owner: { schema: Text(), in: 'both', default: '', guarded: (value) => typeof value === 'string' && value.startsWith('network:') },
  fixed_ips: { schema: Type.Array(FixedIp, { maxItems: 16 }), in: 'both', column: false },
  security_groups: { schema: Nullable(Type.Array(Id, { maxItems: 64 })), in: 'both', column: false },
  allowed_address_pairs: { schema: Nullable(Type.Array(AddressPair, { maxItems: 10 })), in: 'both', default: [], opaque: true },
  extra_dhcp_opts: { schema: Nullable(Type.Array(DhcpOption, { maxItems: 32 })), in: 'both', default: [], opaque: true },
  port_security_enabled: { schema: Type.Boolean(), in: 'both' },
  'binding:host_id': { schema: Nullable(Text()), in: 'both', default: '' },
  'binding:vnic_type': { schema: Type.Literal('normal'), in: 'both', default: 'normal' },
  'binding:profile': { schema: Nullable(Type.Record(Type.String({ maxLength: 255 }), Type.Unknown(), { maxProperties: 32 })), in: 'both', default: {}, opaque: true },
  'binding:vif_type': { schema: Type.String(), column: false },
  'binding:vif_details': { schema: Type.Object({}), column: false },
} as const satisfies Attributes;
