import { badRequest, conflict, type RequestContext } from '@virga/core';
import type { InputOf } from '../api/attributes';
import type { Trx } from '../api/collection';
import { visibleNetwork } from '../networks/visible-network';
import { queueSync } from '../ovn/sync-queue';
import { changeAddresses, type FixedIpRequest } from '../ports/fixed-ips';
import { deletePort, insertPort, touchPort } from '../ports/port-rows';
import type { ROUTER_ATTRIBUTES } from './router.attributes';

export type GatewayInfo = NonNullable<InputOf<typeof ROUTER_ATTRIBUTES>['external_gateway_info']>;
export interface RouterIdentity { id: string; project_id: string; gateway_port_id: string | null; enable_snat: number }

export const badRouterRequest = (message: string) => badRequest(`Bad router request: ${message}.`, { type: 'BadRequest' });

/** Gives up the gateway; refused while floating IPs lead through it. */
async function clearGateway(trx: Trx, router: RouterIdentity): Promise<void> {
  if (router.gateway_port_id === null) return;
  const floating = await trx.selectFrom('floatingips').select('id').where('router_id', '=', router.id).executeTakeFirst();
  if (floating) {
    const port = await trx.selectFrom('ports').select('network_id').where('id', '=', router.gateway_port_id).executeTakeFirstOrThrow();
    throw conflict(`Gateway cannot be updated for router ${router.id}, since a gateway to external network ${port.network_id} is required by one or more floating IPs.`, { type: 'RouterExternalGatewayInUseByFloatingIp' });
  }
  await trx.updateTable('routers').set({ gateway_port_id: null, enable_snat: 1 }).where('id', '=', router.id).execute();
  await deletePort(trx, router.gateway_port_id);
}

/** The gateway's port belongs to no project: it takes an address of the external network and no quota. */
async function makeGateway(trx: Trx, caller: RequestContext, router: RouterIdentity, networkId: string, info: GatewayInfo): Promise<void> {
  const network = await visibleNetwork(trx, caller, networkId);
  if (!network.external) throw badRouterRequest(`Network ${networkId} is not an external network`);
  const subnet = await trx.selectFrom('subnets').select('id').where('network_id', '=', networkId).executeTakeFirst();
  if (!subnet) throw badRouterRequest(`External network ${networkId} has no subnet`);
  const portId = await insertPort(trx, {
    project_id: '', network_id: networkId, admin_state_up: 1, device_id: router.id, device_owner: 'network:router_gateway', port_security_enabled: 0,
  }, info.external_fixed_ips as FixedIpRequest[] | undefined);
  await trx.updateTable('routers').set({ gateway_port_id: portId, enable_snat: (info.enable_snat ?? true) ? 1 : 0 }).where('id', '=', router.id).execute();
}

/** Sets, changes or (null) gives up the way to the outside. The caller holds the router's row. */
export async function setGateway(trx: Trx, caller: RequestContext, router: RouterIdentity, info: GatewayInfo | null): Promise<void> {
  await queueSync(trx, 'router', router.id);
  if (info === null || Object.keys(info).length === 0) return clearGateway(trx, router);
  const current = router.gateway_port_id === null ? undefined
    : await trx.selectFrom('ports').select(['id', 'network_id', 'mac_address']).where('id', '=', router.gateway_port_id).executeTakeFirstOrThrow();
  const networkId = info.network_id ?? current?.network_id;
  if (networkId === undefined) throw badRequest('Invalid input for external_gateway_info. Reason: \'network_id\' is required.', { type: 'HTTPBadRequest' });
  if (current?.network_id !== networkId) {
    await clearGateway(trx, router);
    return makeGateway(trx, caller, router, networkId, info);
  }
  if (info.external_fixed_ips) {
    await changeAddresses(trx, { portId: current.id, networkId, macAddress: current.mac_address, deviceOwner: 'network:router_gateway' }, info.external_fixed_ips as FixedIpRequest[]);
    await touchPort(trx, current.id);
  }
  if (info.enable_snat !== undefined) await trx.updateTable('routers').set({ enable_snat: info.enable_snat ? 1 : 0 }).where('id', '=', router.id).execute();
}
