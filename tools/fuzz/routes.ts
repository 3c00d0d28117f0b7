import { join } from 'node:path';
import { Type, type TSchema } from '@sinclair/typebox';
import { ADDRESS_SCOPE_ATTRIBUTES } from '../../apps/network/src/address-scopes/address-scope.collection';
import { FLOATING_IP_ATTRIBUTES } from '../../apps/network/src/floating-ips/floating-ip.attributes';
import { NETWORK_ATTRIBUTES } from '../../apps/network/src/networks/network.attributes';
import { PORT_ATTRIBUTES } from '../../apps/network/src/ports/port.attributes';
import { RBAC_ATTRIBUTES } from '../../apps/network/src/rbac-policies/rbac-policy.collection';
import { ROUTER_ATTRIBUTES } from '../../apps/network/src/routers/router.attributes';
import { GROUP_ATTRIBUTES } from '../../apps/network/src/security-groups/security-group.collection';
import { RULE_ATTRIBUTES } from '../../apps/network/src/security-groups/security-group-rule.collection';
import { SUBNET_POOL_ATTRIBUTES } from '../../apps/network/src/subnet-pools/subnet-pool.attributes';
import { SUBNET_ATTRIBUTES } from '../../apps/network/src/subnets/subnet.attributes';
import { httpRoutes } from '../http-routes';
import type { FuzzRoute } from './requests';

interface Described { singular: string; attributes: Record<string, { schema: TSchema; in?: 'post' | 'put' | 'both'; required?: true }> }
type Load = (file: string) => Record<string, unknown>;

const RESOURCES: Record<string, Described> = {
  networks: { singular: 'network', attributes: NETWORK_ATTRIBUTES },
  subnets: { singular: 'subnet', attributes: SUBNET_ATTRIBUTES },
  ports: { singular: 'port', attributes: PORT_ATTRIBUTES },
  routers: { singular: 'router', attributes: ROUTER_ATTRIBUTES },
  floatingips: { singular: 'floatingip', attributes: FLOATING_IP_ATTRIBUTES },
  'security-groups': { singular: 'security_group', attributes: GROUP_ATTRIBUTES },
  'security-group-rules': { singular: 'security_group_rule', attributes: RULE_ATTRIBUTES },
  subnetpools: { singular: 'subnetpool', attributes: SUBNET_POOL_ATTRIBUTES },
  'address-scopes': { singular: 'address_scope', attributes: ADDRESS_SCOPE_ATTRIBUTES },
  'rbac-policies': { singular: 'rbac_policy', attributes: RBAC_ATTRIBUTES },
};

/** The body of network's common verbs, from the table of the resource's attributes. */
function collectionBody({ singular, attributes }: Described, verb: 'post' | 'put'): TSchema {
  const given = Object.entries(attributes).filter(([, attribute]) => attribute.in === verb || attribute.in === 'both');
  return Type.Object({ [singular]: Type.Object(Object.fromEntries(given.map(([name, { schema, required }]) => [name, verb === 'post' && required ? schema : Type.Optional(schema)]))) });
}

const Interface = Type.Object({ subnet_id: Type.Optional(Type.String()), port_id: Type.Optional(Type.String()) });
const Prefixes = Type.Object({ prefixes: Type.Array(Type.String()) });
const ROUTER_BODIES: Record<string, TSchema> = {
  add_router_interface: Interface, remove_router_interface: Interface, add_prefixes: Prefixes, remove_prefixes: Prefixes, tags: Type.Object({ tags: Type.Array(Type.String()) }),
};

function bodiesOf(route: { app: string; method: string; path: string; body: TSchema[] }, actions: TSchema[]): TSchema[] {
  if (route.body.length > 0) return route.body;
  if (route.app === 'compute-api' && route.path.endsWith('/servers/:id/action')) return actions;
  if (route.app !== 'network') return [];
  const [, , resource, id, verb] = route.path.split('/');
  if (verb !== undefined) return ROUTER_BODIES[verb] ? [ROUTER_BODIES[verb]] : [];
  const own = Object.hasOwn(RESOURCES, resource!) ? RESOURCES[resource!] : undefined;
  return own && (route.method === 'POST' || route.method === 'PUT') ? [collectionBody(own, id === undefined ? 'post' : 'put')] : [];
}

/** Every route of every app with what its body may be. */
export function fuzzRoutes(root: string, load: Load): FuzzRoute[] {
  const handlers = load(join(root, 'apps/compute-api/src/servers/actions/server-actions.controller.ts')).SERVER_ACTION_HANDLERS as Record<string, { schema: [string, TSchema][] }>;
  const actions = Object.entries(handlers).flatMap(([key, { schema }]) => schema.map(([, step]) => Type.Object({ [key]: step })));
  return httpRoutes(root, load).map((route) => ({ ...route, bodies: bodiesOf(route, actions) }));
}
