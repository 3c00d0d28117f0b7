import { Type, type Static, type TSchema } from '@sinclair/typebox';
import { admin, either, type Policies } from '@virga/rest';
import type { Selectable } from '@virga/db';
import type { MetadefItemsTable, MetadefNamespacesTable } from '../db/tables';
import { isoSeconds } from '../images/image.view';

export const KINDS = ['object', 'property', 'tag', 'resource_type'] as const;
export type Kind = (typeof KINDS)[number];
export type NamespaceRow = Selectable<MetadefNamespacesTable>;
export type ItemRow = Selectable<MetadefItemsTable>;

const reads = either(admin, (context) => context.roleNames.has('reader'));
export const metadefPolicies: Policies = {
  get_metadef_namespace: { check: reads, description: 'Read definitions of metadata: public ones, and those of the own project.' },
  modify_metadef_namespace: { check: admin, description: 'Make, change and delete definitions of metadata.' },
  list_metadef_resource_types: { check: reads, description: 'List the types of resources that metadata is defined for.' },
};

const Name = Type.String({ minLength: 1, maxLength: 80, pattern: '^[^\\u0000/]+$' });
const Text = (maxLength: number) => Type.String({ maxLength, pattern: '^[^\\u0000]*$' });
const PropertyAttributes = {
  title: Type.Optional(Text(255)), description: Type.Optional(Text(16_000)),
  type: Type.Optional(Type.Union(['array', 'boolean', 'integer', 'number', 'object', 'string'].map((type) => Type.Literal(type)))),
  operators: Type.Optional(Type.Array(Text(80), { maxItems: 32 })), enum: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 1000 })),
  minimum: Type.Optional(Type.Number()), maximum: Type.Optional(Type.Number()), minLength: Type.Optional(Type.Integer({ minimum: 0 })), maxLength: Type.Optional(Type.Integer({ minimum: 0 })),
  pattern: Type.Optional(Text(1024)), default: Type.Optional(Type.Unknown()), readonly: Type.Optional(Type.Boolean()), uniqueItems: Type.Optional(Type.Boolean()),
  minItems: Type.Optional(Type.Integer({ minimum: 0 })), maxItems: Type.Optional(Type.Integer({ minimum: 0 })), additionalItems: Type.Optional(Type.Boolean()),
  items: Type.Optional(Type.Object({ type: Type.Optional(Text(20)), enum: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 1000 })) })),
};
const Property = Type.Object(PropertyAttributes, { additionalProperties: false });
const Properties = Type.Record(Name, Property);
/** Attributes that only the service sets; clients send back what they read. */
const own = { created_at: Type.Optional(Type.Unknown()), updated_at: Type.Optional(Type.Unknown()), self: Type.Optional(Type.Unknown()), schema: Type.Optional(Type.Unknown()) };
const OWN = ['created_at', 'updated_at', 'self', 'schema', 'name'];

/** The body of each kind of item, its name included. */
export const ITEM_BODIES: Record<Kind, TSchema> = {
  object: Type.Object({ name: Name, description: Type.Optional(Text(16_000)), required: Type.Optional(Type.Array(Name, { maxItems: 200 })), properties: Type.Optional(Properties), ...own }, { additionalProperties: false }),
  property: Type.Object({ name: Name, ...PropertyAttributes, ...own }, { additionalProperties: false }),
  tag: Type.Object({ name: Name, ...own }, { additionalProperties: false }),
  resource_type: Type.Object({ name: Name, prefix: Type.Optional(Text(80)), properties_target: Type.Optional(Text(80)), ...own }, { additionalProperties: false }),
};
export type ItemBody = { name: string } & Record<string, unknown>;
export const TagsBody = Type.Object({ tags: Type.Array(ITEM_BODIES.tag, { maxItems: 1000 }) });

const namespaceAttributes = {
  display_name: Type.Optional(Text(80)), description: Type.Optional(Text(500)),
  visibility: Type.Optional(Type.Union([Type.Literal('public'), Type.Literal('private')])), protected: Type.Optional(Type.Boolean()), owner: Type.Optional(Text(255)),
};
export const NamespaceUpdate = Type.Object({ namespace: Name, ...namespaceAttributes, ...own });
export type NamespaceUpdate = Static<typeof NamespaceUpdate>;
export const NamespaceCreate = Type.Object({
  namespace: Name, ...namespaceAttributes, ...own,
  objects: Type.Optional(Type.Array(ITEM_BODIES.object, { maxItems: 200 })), properties: Type.Optional(Properties),
  tags: Type.Optional(Type.Array(ITEM_BODIES.tag, { maxItems: 1000 })), resource_type_associations: Type.Optional(Type.Array(ITEM_BODIES.resource_type, { maxItems: 200 })),
}, { additionalProperties: false });
export type NamespaceCreate = Static<typeof NamespaceCreate>;

/** What of a body is stored: without the name, which is a column, and without what the service sets. */
export const storedBody = (body: ItemBody): string => JSON.stringify(Object.fromEntries(Object.entries(body).filter(([key]) => !OWN.includes(key))));

const base = (namespace: string): string => `/v2/metadefs/namespaces/${encodeURIComponent(namespace)}`;
const times = ({ created_at, updated_at }: { created_at: Date; updated_at: Date }) => ({ created_at: isoSeconds(created_at), updated_at: isoSeconds(updated_at) });

export const namespaceView = (row: NamespaceRow) => ({
  namespace: row.namespace,
  ...(row.display_name !== null && { display_name: row.display_name }),
  ...(row.description !== null && { description: row.description }),
  visibility: row.visibility, protected: row.protected === 1, owner: row.owner, ...times(row), self: base(row.namespace), schema: '/v2/schemas/metadefs/namespace',
});

const parse = (row: ItemRow): Record<string, unknown> => JSON.parse(row.body) as Record<string, unknown>;
/** How each kind of item is shown by itself. */
export const ITEM_VIEWS: Record<Kind, (row: ItemRow) => Record<string, unknown>> = {
  object: (row) => ({ ...parse(row), name: row.name, ...times(row), self: `${base(row.namespace)}/objects/${encodeURIComponent(row.name)}`, schema: '/v2/schemas/metadefs/object' }),
  property: (row) => ({ ...parse(row), name: row.name }),
  tag: (row) => ({ name: row.name, ...times(row) }),
  resource_type: (row) => ({ ...parse(row), name: row.name, ...times(row) }),
};

/** How the items of a kind are shown together: properties by name, all others as a list. */
export const COLLECTION_VIEWS: Record<Kind, { key: string; schema?: string; view: (rows: ItemRow[]) => unknown }> = {
  object: { key: 'objects', schema: '/v2/schemas/metadefs/objects', view: (rows) => rows.map(ITEM_VIEWS.object) },
  property: { key: 'properties', view: (rows) => Object.fromEntries(rows.map((row) => [row.name, parse(row)])) },
  tag: { key: 'tags', schema: '/v2/schemas/metadefs/tags', view: (rows) => rows.map(({ name }) => ({ name })) },
  resource_type: { key: 'resource_type_associations', view: (rows) => rows.map(ITEM_VIEWS.resource_type) },
};
