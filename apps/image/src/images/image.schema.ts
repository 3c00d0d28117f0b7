import { Type, type Static } from '@sinclair/typebox';

/** What an operator's hosts can boot or keep; `null` until it is known. */
export const DISK_FORMATS = ['ami', 'ari', 'aki', 'vhd', 'vhdx', 'vmdk', 'raw', 'qcow2', 'vdi', 'iso', 'ploop'] as const;
export const CONTAINER_FORMATS = ['ami', 'ari', 'aki', 'bare', 'ovf', 'ova', 'docker', 'compressed'] as const;

const literals = <T extends string>(values: readonly T[]) => Type.Union([Type.Null(), ...values.map((value) => Type.Literal(value))]);
/** No NUL, and no half of a surrogate pair: MariaDB and XML could not hold them. */
export const Text255 = Type.String({ maxLength: 255, pattern: '^[^\\u0000]*$' });
export const Tag = Type.String({ maxLength: 255, pattern: '^[^\\u0000]*$' });

/** Attributes that a client may set. */
export const WRITABLE = {
  name: Type.Union([Type.Null(), Text255]),
  visibility: Type.Union([Type.Literal('community'), Type.Literal('public'), Type.Literal('private'), Type.Literal('shared')]),
  protected: Type.Boolean(),
  os_hidden: Type.Boolean(),
  container_format: literals(CONTAINER_FORMATS),
  disk_format: literals(DISK_FORMATS),
  min_disk: Type.Integer({ minimum: 0, maximum: 2147483647 }),
  min_ram: Type.Integer({ minimum: 0, maximum: 2147483647 }),
  tags: Type.Array(Tag, { maxItems: 128 }),
  owner: Type.Union([Type.Null(), Type.String({ maxLength: 64, pattern: '^[^\\u0000]*$' })]),
} as const;

/** Attributes that only the service sets: 403 for whoever tries. */
export const READ_ONLY = new Set(['status', 'created_at', 'updated_at', 'self', 'file', 'schema', 'direct_url', 'checksum', 'os_hash_algo', 'os_hash_value', 'size', 'virtual_size', 'stores']);
/** Names that no property may take. */
export const RESERVED = new Set(['locations', 'deleted', 'deleted_at', 'is_public', 'members', 'os_glance_import_task']);

export const PropertyValue = Type.String({ maxLength: 65535, pattern: '^[^\\u0000]*$' });
export const PropertyName = Type.String({ minLength: 1, maxLength: 255, pattern: '^[^\\u0000]*$' });
export const MAX_PROPERTIES = 128;

export const CreateImage = Type.Object(
  { id: Type.Optional(Type.String({ format: 'uuid' })), ...Object.fromEntries(Object.entries(WRITABLE).map(([key, schema]) => [key, Type.Optional(schema)])) },
  { additionalProperties: PropertyValue },
);

export const PatchOperations = Type.Array(
  Type.Object({
    op: Type.Union([Type.Literal('add'), Type.Literal('replace'), Type.Literal('remove')]),
    path: Type.String({ minLength: 2, maxLength: 600, pattern: '^/' }),
    value: Type.Optional(Type.Unknown()),
  }),
  { maxItems: 256 },
);
export type PatchOperations = Static<typeof PatchOperations>;

/** Filters are open: any property may be one. */
export const ListQuery = Type.Record(Type.String({ maxLength: 255 }), Type.Union([Type.String({ maxLength: 1024 }), Type.Array(Type.String({ maxLength: 1024 }), { maxItems: 32 })]), { maxProperties: 64 });
