import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { admin, type Policies } from '@virga/rest';
import { selfLink, type ListSpec } from '../collection/list';
import { adminOrSystemReader } from '../collection/personas';
import { Description, Name255 } from '../collection/schema-parts';
import type { EndpointGroupRow } from '../db/delegation-tables';

const rule = (names: string[], check: typeof admin, description: string): Policies => Object.fromEntries(names.map((name) => [`identity:${name}`, { check, description }]));
export const endpointFilterPolicies: Policies = {
  ...rule(['list_endpoint_groups', 'get_endpoint_group', 'list_projects_associated_with_endpoint_group', 'list_endpoints_associated_with_endpoint_group',
    'get_endpoint_group_in_project', 'list_endpoint_groups_for_project', 'list_projects_for_endpoint', 'check_endpoint_in_project', 'list_endpoints_for_project'],
  adminOrSystemReader, 'See which endpoints are shown to which project.'),
  ...rule(['create_endpoint_group', 'update_endpoint_group', 'delete_endpoint_group', 'add_endpoint_group_to_project', 'remove_endpoint_group_from_project',
    'add_endpoint_to_project', 'remove_endpoint_from_project'], admin, 'Change which endpoints are shown to which project.'),
};

const Filters = Type.Object({
  interface: Type.Optional(Type.Union([Type.Literal('admin'), Type.Literal('internal'), Type.Literal('public')])),
  service_id: Type.Optional(Type.String({ maxLength: 64 })), region_id: Type.Optional(Type.String({ maxLength: 255 })), enabled: Type.Optional(Type.Boolean()),
}, { additionalProperties: false });
export type EndpointFilters = Static<typeof Filters>;
export const EndpointGroupCreate = Type.Object({ endpoint_group: Type.Object({ name: Name255, filters: Filters, description: Type.Optional(Description) }) });
export type EndpointGroupCreate = Static<typeof EndpointGroupCreate>;
export const EndpointGroupUpdate = Type.Object({
  endpoint_group: Type.Object({ name: Type.Optional(Name255), filters: Type.Optional(Filters), description: Type.Optional(Description) }, { minProperties: 1 }),
});
export type EndpointGroupUpdate = Static<typeof EndpointGroupUpdate>;

export const endpointGroupList: ListSpec = { table: 'endpoint_groups', columns: ['id', 'name', 'description', 'filters'], exact: { name: 'name' }, texts: ['name'] };
export const endpointGroupView = (row: EndpointGroupRow, request: FastifyRequest) => ({
  id: row.id, name: row.name, description: row.description, filters: JSON.parse(row.filters) as EndpointFilters, links: selfLink(request, `OS-EP-FILTER/endpoint_groups/${row.id}`),
});

export const matchesFilters = (filters: EndpointFilters, endpoint: { interface: string; service_id: string; region_id: string | null; enabled?: unknown }): boolean =>
  (filters.interface === undefined || filters.interface === endpoint.interface)
  && (filters.service_id === undefined || filters.service_id === endpoint.service_id)
  && (filters.region_id === undefined || filters.region_id === endpoint.region_id)
  && (filters.enabled === undefined || filters.enabled === Boolean(endpoint.enabled ?? true));
