import { Type } from '@sinclair/typebox';
import type { Attributes } from '../api/attributes';
import { Id, Nullable, STANDARD_ATTRIBUTES, Text } from '../api/standard-attributes';

const { name: _name, ...standard } = STANDARD_ATTRIBUTES;

export const FLOATING_IP_ATTRIBUTES = {
  ...standard,
  floating_network_id: { schema: Id, in: 'post', required: true },
  subnet_id: { schema: Nullable(Id), in: 'post', column: false },
  floating_ip_address: { schema: Nullable(Text(45)), in: 'post', default: null },
  port_id: { schema: Nullable(Id), in: 'both', default: null },
  fixed_ip_address: { schema: Nullable(Text(45)), in: 'both', default: null },
  router_id: { schema: Nullable(Type.String()) },
  status: { schema: Type.String() },
} as const satisfies Attributes;
