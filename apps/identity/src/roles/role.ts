import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { selfLink, type ListSpec } from '../collection/list';
import { parseObject } from '../collection/rows';
import { Description, ImmutableOption, Name255, NullableId } from '../collection/schema-parts';
import type { RoleRow } from '../db/tables';

const attributes = { description: Type.Optional(Description), domain_id: Type.Optional(NullableId), options: Type.Optional(ImmutableOption) };
export const ROLE_ATTRIBUTES = ['name', ...Object.keys(attributes)];
export const RoleCreate = Type.Object({ role: Type.Object({ name: Name255, ...attributes }) });
export type RoleCreate = Static<typeof RoleCreate>;
export const RoleUpdate = Type.Object({ role: Type.Object({ name: Type.Optional(Name255), ...attributes }) });
export type RoleUpdate = Static<typeof RoleUpdate>;

export const roleList: ListSpec = {
  table: 'roles', columns: ['id', 'name', 'domain_id', 'description', 'options', 'extra'], exact: { id: 'id', name: 'name' }, texts: ['name', 'description'],
};

export const roleView = (row: RoleRow, request: FastifyRequest) => ({
  ...parseObject(row.extra),
  id: row.id,
  name: row.name,
  domain_id: row.domain_id === '' ? null : row.domain_id,
  description: row.description,
  options: parseObject(row.options),
  links: selfLink(request, `roles/${row.id}`),
});

/** The short form inside implications. */
export const impliedView = ({ id, name, description }: Pick<RoleRow, 'id' | 'name' | 'description'>, request: FastifyRequest) => ({
  id, name, description, links: selfLink(request, `roles/${id}`),
});
