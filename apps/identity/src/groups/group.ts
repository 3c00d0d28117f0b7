import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { selfLink, type ListSpec } from '../collection/list';
import { parseObject } from '../collection/rows';
import { Description, Name64, NullableId } from '../collection/schema-parts';
import type { GroupRow } from '../db/tables';

const attributes = { description: Type.Optional(Description), domain_id: Type.Optional(NullableId) };
export const GROUP_ATTRIBUTES = ['name', ...Object.keys(attributes)];

export const GroupCreate = Type.Object({ group: Type.Object({ name: Name64, ...attributes }) });
export type GroupCreate = Static<typeof GroupCreate>;
export const GroupUpdate = Type.Object({ group: Type.Object({ name: Type.Optional(Name64), ...attributes }) });
export type GroupUpdate = Static<typeof GroupUpdate>;

export const groupList: ListSpec = {
  table: 'groups', columns: ['id', 'domain_id', 'name', 'description', 'extra'],
  exact: { id: 'id', name: 'name', domain_id: 'domain_id' }, texts: ['name', 'description'],
};

export const groupView = (row: GroupRow, request: FastifyRequest) => ({
  ...parseObject(row.extra),
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  description: row.description ?? '',
  links: selfLink(request, `groups/${row.id}`),
});
