import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { selfLink, type ListSpec } from '../collection/list';
import { parseObject } from '../collection/rows';
import { Description, Enabled, ImmutableOption, Name64, Tags } from '../collection/schema-parts';
import type { DomainRow } from '../db/tables';

const attributes = {
  description: Type.Optional(Description),
  enabled: Type.Optional(Enabled),
  tags: Type.Optional(Tags),
  options: Type.Optional(ImmutableOption),
};
/** What the table keeps itself; all else goes to `extra`. */
export const DOMAIN_ATTRIBUTES = ['name', 'is_domain', 'domain_id', 'parent_id', ...Object.keys(attributes)];

export const DomainCreate = Type.Object({ domain: Type.Object({ name: Name64, explicit_domain_id: Type.Optional(Type.String({ pattern: '^[0-9a-f]{32}$' })), ...attributes }) });
export type DomainCreate = Static<typeof DomainCreate>;
export const DomainUpdate = Type.Object({ domain: Type.Object({ name: Type.Optional(Name64), ...attributes }) });
export type DomainUpdate = Static<typeof DomainUpdate>;

export const domainList: ListSpec = {
  table: 'domains', columns: ['id', 'name', 'description', 'enabled', 'tags', 'options', 'extra'],
  exact: { id: 'id', name: 'name' }, flags: ['enabled'], texts: ['name', 'description'],
};

export const domainView = (row: DomainRow, request: FastifyRequest) => ({
  ...parseObject(row.extra),
  id: row.id,
  name: row.name,
  description: row.description ?? '',
  enabled: Boolean(row.enabled),
  tags: JSON.parse(row.tags) as string[],
  options: parseObject(row.options),
  links: selfLink(request, `domains/${row.id}`),
});

/** A domain as the projects API shows it: a project that acts as one. */
export const domainAsProject = (row: DomainRow, request: FastifyRequest) => ({
  ...domainView(row, request), domain_id: null, parent_id: null, is_domain: true, links: selfLink(request, `projects/${row.id}`),
});
