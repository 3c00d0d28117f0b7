import { Controller, Get, Param } from '@nestjs/common';
import { CloudError } from '@virga/core';
import { Authenticated } from '@virga/rest';
import { ITEM_BODIES, NamespaceCreate } from '../metadefs/metadef';

type Schema = { properties: Record<string, unknown>; required?: string[] };
const fields = (schema: unknown): Schema => {
  const { properties, required } = schema as Schema;
  return { properties, ...(required && { required }) };
};
const many = (name: string, key: string, item: object) => ({ name, properties: { [key]: { type: 'array', items: item }, first: { type: 'string' }, next: { type: 'string' }, schema: { type: 'string' } } });

const namespace = { name: 'namespace', ...fields(NamespaceCreate), additionalProperties: false };
const object = { name: 'object', ...fields(ITEM_BODIES.object), additionalProperties: false };
const property = { name: 'property', ...fields(ITEM_BODIES.property), additionalProperties: false };
const tag = { name: 'tag', ...fields(ITEM_BODIES.tag), additionalProperties: false };
const association = { name: 'resource_type_association', ...fields(ITEM_BODIES.resource_type), additionalProperties: false };

const SCHEMAS: Record<string, object> = {
  namespace, namespaces: many('namespaces', 'namespaces', namespace),
  object, objects: many('objects', 'objects', object),
  property, properties: { name: 'properties', properties: { properties: { type: 'object', additionalProperties: property } } },
  tag, tags: many('tags', 'tags', tag),
  resource_type: association, resource_types: many('resource_type_associations', 'resource_type_associations', association),
};

/** The schemas by which definitions of metadata are checked; any valid token may read them. */
@Controller('v2/schemas/metadefs')
@Authenticated()
export class MetadefSchemasController {
  @Get(':name')
  show(@Param('name') name: string): object {
    const schema = Object.hasOwn(SCHEMAS, name) ? SCHEMAS[name] : undefined;
    if (!schema) throw new CloudError('routeNotFound', 'The resource could not be found.');
    return schema;
  }
}
