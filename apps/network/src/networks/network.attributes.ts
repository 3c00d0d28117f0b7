import { Type } from '@sinclair/typebox';
import type { Attributes } from '../api/attributes';
import { Nullable, STANDARD_ATTRIBUTES, Text } from '../api/standard-attributes';

export const NETWORK_ATTRIBUTES = {
  ...STANDARD_ATTRIBUTES,
  admin_state_up: { schema: Type.Boolean(), in: 'both', default: true },
  shared: { schema: Type.Boolean(), in: 'both', default: false },
  'router:external': { schema: Type.Boolean(), in: 'both', default: false, column: 'external' },
  is_default: { schema: Type.Boolean(), in: 'both', default: false },
  mtu: { schema: Type.Integer({ minimum: 0, maximum: 65535 }), in: 'both' },
  port_security_enabled: { schema: Type.Boolean(), in: 'both', default: true },
  'provider:network_type': { schema: Text(32), in: 'post' },
  'provider:physical_network': { schema: Nullable(Text(64)), in: 'post' },
  'provider:segmentation_id': { schema: Nullable(Type.Integer({ minimum: 0, maximum: 16777215 })), in: 'post' },
  availability_zone_hints: { schema: Type.Array(Text(), { maxItems: 16 }), in: 'post', default: [], opaque: true },
} as const satisfies Attributes;
