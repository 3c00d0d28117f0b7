import { Type } from '@sinclair/typebox';
import type { Attribute } from './attributes';

export const Text = (maxLength = 255) => Type.String({ maxLength });
export const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);
export const Id = Type.String({ format: 'uuid-like' });

/** What every neutron resource has. */
export const STANDARD_ATTRIBUTES = {
  id: { schema: Type.String() },
  project_id: { schema: Text(), in: 'post' },
  name: { schema: Text(), in: 'both', default: '' },
  description: { schema: Text(), in: 'both', default: '' },
  tags: { schema: Type.Array(Type.String()), opaque: true },
  created_at: { schema: Type.Date() },
  updated_at: { schema: Type.Date() },
  revision_number: { schema: Type.Integer() },
} as const satisfies Record<string, Attribute>;
