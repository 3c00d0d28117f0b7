import { Type } from '@sinclair/typebox';
import type { Attributes } from '../api/attributes';
import { Id, Nullable, STANDARD_ATTRIBUTES, Text } from '../api/standard-attributes';

const Length = Type.Integer({ minimum: 0, maximum: 128 });

export const SUBNET_POOL_ATTRIBUTES = {
  ...STANDARD_ATTRIBUTES,
  // A single prefix needs no list.
  prefixes: { schema: Type.Union([Type.Array(Text(64), { minItems: 1, maxItems: 64 }), Text(64)]), in: 'both', required: true, opaque: true },
  min_prefixlen: { schema: Length, in: 'both' },
  max_prefixlen: { schema: Length, in: 'both' },
  default_prefixlen: { schema: Length, in: 'both' },
  default_quota: { schema: Nullable(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })), in: 'both', default: null },
  address_scope_id: { schema: Nullable(Id), in: 'both', default: null },
  is_default: { schema: Type.Boolean(), in: 'both', default: false },
  shared: { schema: Type.Boolean(), in: 'post', default: false, column: false },
  ip_version: { schema: Type.Integer() },
} as const satisfies Attributes;
