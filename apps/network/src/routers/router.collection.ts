import { conflict, newUuid, type RequestContext } from '@virga/core';
import { sql } from '@virga/db';
import { encodeColumns, type InputOf } from '../api/attributes';
import type { Collection, Row, Trx, View } from '../api/collection';
import { fixedIpsOf } from '../ports/port.collection';
import { deletePort } from '../ports/port-rows';
import { queueSync } from '../ovn/sync-queue';
import { claimQuota } from '../quotas/quota-limits';
import { badRouterRequest, setGateway, type RouterIdentity } from './router-gateway';
import { touchRouter } from './router-interfaces';
import { checkedRoutes } from './router-routes';
import { ROUTER_ATTRIBUTES } from './router.attributes';

type Input = InputOf<typeof ROUTER_ATTRIBUTES>;

async function createRouter(trx: Trx, caller: RequestContext, given: Record<string, unknown>): Promise<string> {
  const input = given as Input;
  await claimQuota(trx, 'router', input.project_id!);
  const id = newUuid();
  await trx.insertInto('routers').values({ ...encodeColumns(ROUTER_ATTRIBUTES, input), id, gateway_port_id: null, enable_snat: 1, revision_number: 1 } as never).execute();
  await setGateway(trx, caller, { id, project_id: input.project_id!, gateway_port_id: null, enable_snat: 1 }, input.external_gateway_info ?? null);
  return id;
}

/**
 * A distributed router translates floating IPs on the host of their port, another one on its gateway's host; a router
 * that is not highly available has one gateway host. As in neutron, the router must be down while that changes.
 */
async function changeKind(trx: Trx, row: Row, input: Input): Promise<void> {
  const changed = (['distributed', 'ha'] as const).filter((kind) => input[kind] !== undefined && input[kind] !== Boolean(row[kind]));
  if (changed.length === 0) return;
  if (row.admin_state_up && input.admin_state_up !== false) {
    throw badRouterRequest(`Cannot change ${changed.join(' and ')} of an active router. Please set router admin_state_up to False prior to the change`);
  }
  const floating = await trx.selectFrom('floatingips').select('id').where('router_id', '=', row.id).execute();
  await queueSync(trx, 'floatingip', floating.map(({ id }) => id));
}

async function updateRouter(trx: Trx, caller: RequestContext, row: Row, given: Record<string, unknown>): Promise<void> {
  const input = given as Input;
  await changeKind(trx, row, input);
  if (input.external_gateway_info !== undefined) await setGateway(trx, caller, row as unknown as RouterIdentity, input.external_gateway_info);
  const routes = input.routes === undefined ? undefined : await checkedRoutes(trx, row.id, input.routes ?? []);
  const columns = encodeColumns(ROUTER_ATTRIBUTES, { ...input, routes });
  if (Object.keys(columns).length > 0) await trx.updateTable('routers').set(columns).where('id', '=', row.id).execute();
  await touchRouter(trx, row.id);
}

async function removeRouter(trx: Trx, row: Row): Promise<void> {
  const interfaces = await trx.selectFrom('router_interfaces').select('port_id').where('router_id', '=', row.id).execute();
  if (interfaces.length > 0) throw conflict(`Router ${row.id} has ports still attached: ${interfaces.map(({ port_id }) => port_id).join(', ')}`, { type: 'RouterInUse' });
  const gatewayPortId = row.gateway_port_id as string | null;
  await trx.deleteFrom('routers').where('id', '=', row.id).execute();
  if (gatewayPortId !== null) await deletePort(trx, gatewayPortId);
  await queueSync(trx, 'router', row.id);
}

export const routerCollection = (availabilityZone: string): Collection => ({
  table: 'routers',
  singular: 'router',
  plural: 'routers',
  attributes: ROUTER_ATTRIBUTES,
  missing: { type: 'RouterNotFound', message: (id) => `Router ${id} could not be found` },
  visible: (caller) => (caller.roleNames.has('admin') ? undefined : sql<boolean>`project_id = ${caller.project?.id ?? null}`),
  target: async (_db, row) => ({ projectId: row.project_id as string }),
  rules: (input, verb) => Object.keys((input.external_gateway_info ?? {}) as object).map((key) => `${verb}_router:external_gateway_info:${key}`),
  filters: {
    'external_gateway_info.network_id': (ids) => sql<boolean>`gateway_port_id in (select p.id from ports p where p.network_id in (${sql.join(ids)}))`,
  },
  async extend(db, rows) {
    const gatewayIds = rows.flatMap((row) => (row.gateway_port_id as string | null) ?? []);
    const networks = gatewayIds.length === 0 ? [] : await db.selectFrom('ports').select(['id', 'network_id']).where('id', 'in', gatewayIds).execute();
    const networkOf = new Map(networks.map((port) => [port.id, port.network_id]));
    const addresses = gatewayIds.length === 0 ? new Map<string, never[]>() : await fixedIpsOf(db, gatewayIds);
    return rows.map((row): View => {
      const gateway = row.gateway_port_id as string | null;
      return {
        external_gateway_info: gateway === null ? null
          : { network_id: networkOf.get(gateway), external_fixed_ips: addresses.get(gateway) ?? [], enable_snat: Boolean(row.enable_snat) },
        availability_zones: [availabilityZone], flavor_id: null,
      };
    });
  },
  create: createRouter,
  update: updateRouter,
  remove: (trx, _caller, row) => removeRouter(trx, row),
});
