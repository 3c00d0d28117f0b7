import { badRequest, conflict, notFound, type RequestContext } from '@virga/core';
import { cidrsOverlap, containsAddress, parseAddress, parseCidr } from '@virga/domain';
import { badRouterRequest } from './router-gateway';
import { sql } from '@virga/db';
import type { Row, Trx } from '../api/collection';
import { queueSync } from '../ovn/sync-queue';
import { deletePort, insertPort, touchPort } from '../ports/port-rows';
import { grantsOf } from '../rbac-policies/grants';
import { claimQuota } from '../quotas/quota-limits';

/** The answer to both interface verbs. */
export interface InterfaceView { id: string; tenant_id: string; port_id: string; network_id: string; subnet_id: string; subnet_ids: string[] }

interface Attached { port_id: string; subnet_id: string; cidr: string; network_id: string; address: string }

const attachedTo = async (trx: Trx, routerId: string): Promise<Attached[]> => (await sql<Attached>`
  select a.port_id, a.subnet_id, s.cidr, s.network_id, a.address from router_interfaces i
  join ip_allocations a on a.port_id = i.port_id join subnets s on s.id = a.subnet_id where i.router_id = ${routerId}`.execute(trx)).rows;

function assertNew(attached: readonly Attached[], subnet: { id: string; cidr: string }): void {
  if (attached.some((other) => other.subnet_id === subnet.id)) throw badRouterRequest(`Router already has a port on subnet ${subnet.id}`);
  const other = attached.find((candidate) => cidrsOverlap(parseCidr(candidate.cidr)!, parseCidr(subnet.cidr)!));
  if (other) throw badRouterRequest(`Cidr ${subnet.cidr} of subnet ${subnet.id} overlaps with cidr ${other.cidr} of subnet ${other.subnet_id}`);
}

async function visibleSubnet(trx: Trx, caller: RequestContext, id: string) {
  const row = await trx.selectFrom('subnets as s').innerJoin('networks as n', 'n.id', 's.network_id')
    .select(['s.id', 's.cidr', 's.gateway_ip', 's.ip_version', 's.network_id', 's.project_id', 's.ipv6_address_mode', 'n.shared', 'n.project_id as network_project']).where('s.id', '=', id).executeTakeFirst();
  const projectId = caller.project?.id;
  const visible = row && (caller.roleNames.has('admin') || row.project_id === projectId || row.network_project === projectId || row.shared || (await grantsOf(trx, 'network', row.network_id, projectId)).has('access_as_shared'));
  if (!visible) throw notFound(`Subnet ${id} could not be found.`, { type: 'SubnetNotFound' });
  return row;
}

/** Attaches a subnet by its gateway's address. */
async function addBySubnet(trx: Trx, caller: RequestContext, router: Row, subnetId: string): Promise<{ portId: string; networkId: string; subnetIds: string[] }> {
  const subnet = await visibleSubnet(trx, caller, subnetId);
  // The gateway's address is its owner's to give, on a shared network, too.
  if (![subnet.project_id, subnet.network_project].includes(caller.project?.id ?? '') && !caller.roleNames.has('admin')) {
    throw badRouterRequest(`Cannot add interface to router because subnet ${subnet.id} is not owned by project making the request`);
  }
  if (subnet.gateway_ip === null) throw badRouterRequest('Subnet for router interface must have a gateway IP');
  if (subnet.ip_version === 6 && !containsAddress(parseCidr(subnet.cidr)!, parseAddress(subnet.gateway_ip)!)) {
    throw badRouterRequest(`IPv6 subnet ${subnet.id} has a gateway outside of itself, so it can not be added to a router`);
  }
  assertNew(await attachedTo(trx, router.id), subnet);
  await claimQuota(trx, 'port', router.project_id as string);
  const portId = await insertPort(trx, {
    project_id: router.project_id as string, network_id: subnet.network_id, admin_state_up: 1, device_id: router.id, device_owner: 'network:router_interface', port_security_enabled: 0,
  }, [{ subnet_id: subnet.id, ip_address: subnet.gateway_ip }]);
  return { portId, networkId: subnet.network_id, subnetIds: [subnet.id] };
}

/** Attaches a port that is there, with the address that it has. */
async function addByPort(trx: Trx, caller: RequestContext, router: Row, portId: string): Promise<{ portId: string; networkId: string; subnetIds: string[] }> {
  const port = await trx.selectFrom('ports').selectAll().where('id', '=', portId).forUpdate().executeTakeFirst();
  if (!port || (port.project_id !== caller.project?.id && !caller.roleNames.has('admin'))) throw notFound(`Port ${portId} could not be found.`, { type: 'PortNotFound' });
  if (port.device_id !== '') throw conflict(`Unable to complete operation on port ${portId} for network ${port.network_id}. Port already has an attached device ${port.device_id}.`, { type: 'PortInUse' });
  const subnets = await trx.selectFrom('ip_allocations as a').innerJoin('subnets as s', 's.id', 'a.subnet_id').select(['s.id', 's.cidr', 's.ip_version']).where('a.port_id', '=', portId).execute();
  if (subnets.length === 0) throw badRouterRequest('Router port must have at least one fixed IP');
  if (subnets.filter(({ ip_version }) => ip_version === 4).length > 1) throw badRouterRequest('Cannot have multiple IPv4 subnets on router port');
  const attached = await attachedTo(trx, router.id);
  for (const subnet of subnets) assertNew(attached, subnet);
  await trx.deleteFrom('port_security_groups').where('port_id', '=', portId).execute();
  await trx.updateTable('ports').set({ device_id: router.id, device_owner: 'network:router_interface', port_security_enabled: 0, allowed_address_pairs: '[]' }).where('id', '=', portId).execute();
  await touchPort(trx, portId);
  return { portId, networkId: port.network_id, subnetIds: subnets.map(({ id }) => id) };
}

/** Who a router's interface serves; both ids in one request are one too many when adding. */
function readReference(body: unknown, both: boolean): { subnetId?: string; portId?: string } {
  const { subnet_id: subnetId, port_id: portId, ...rest } = (body ?? {}) as Record<string, unknown>;
  const text = (value: unknown) => value === undefined || (typeof value === 'string' && value.length <= 64);
  if (Object.keys(rest).length > 0 || !text(subnetId) || !text(portId)) throw badRequest('Invalid input for interface. Reason: only subnet_id and port_id are known.', { type: 'HTTPBadRequest' });
  if (subnetId === undefined && portId === undefined) throw badRouterRequest('Either subnet_id or port_id must be specified');
  if (subnetId !== undefined && portId !== undefined && !both) throw badRouterRequest('Cannot specify both subnet-id and port-id');
  return { ...(subnetId !== undefined && { subnetId: subnetId as string }), ...(portId !== undefined && { portId: portId as string }) };
}

const viewOf = (router: Row, { portId, networkId, subnetIds }: { portId: string; networkId: string; subnetIds: string[] }): InterfaceView => ({
  id: router.id, tenant_id: router.project_id as string, port_id: portId, network_id: networkId, subnet_id: subnetIds[0]!, subnet_ids: subnetIds,
});

export async function addInterface(trx: Trx, caller: RequestContext, router: Row, body: unknown): Promise<InterfaceView> {
  const { subnetId, portId } = readReference(body, false);
  const added = subnetId === undefined ? await addByPort(trx, caller, router, portId!) : await addBySubnet(trx, caller, router, subnetId);
  await trx.insertInto('router_interfaces').values({ router_id: router.id, port_id: added.portId }).execute();
  await touchRouter(trx, router.id);
  return viewOf(router, added);
}

/** Detaches and deletes the interface's port. */
export async function removeInterface(trx: Trx, router: Row, body: unknown): Promise<InterfaceView> {
  const { subnetId, portId } = readReference(body, true);
  const attached = await attachedTo(trx, router.id);
  const found = attached.find((candidate) => (portId === undefined || candidate.port_id === portId) && (subnetId === undefined || candidate.subnet_id === subnetId));
  if (!found) {
    throw portId === undefined
      ? notFound(`Router ${router.id} has no interface on subnet ${subnetId}.`, { type: 'RouterInterfaceNotFoundForSubnet' })
      : notFound(`Router ${router.id} does not have an interface with id ${portId}`, { type: 'RouterInterfaceNotFound' });
  }
  const own = attached.filter(({ port_id }) => port_id === found.port_id);
  await assertUnused(trx, router, own);
  await deletePort(trx, found.port_id);
  await touchRouter(trx, router.id);
  return viewOf(router, { portId: found.port_id, networkId: found.network_id, subnetIds: own.map(({ subnet_id }) => subnet_id) });
}

/** Floating IPs and routes lead over an interface: without it they would lead nowhere. */
async function assertUnused(trx: Trx, router: Row, interfaces: readonly Attached[]): Promise<void> {
  const floating = await trx.selectFrom('floatingips as f').innerJoin('ip_allocations as a', (join) => join.onRef('a.port_id', '=', 'f.port_id').onRef('a.address', '=', 'f.fixed_ip_address'))
    .select('a.subnet_id').where('f.router_id', '=', router.id).where('a.subnet_id', 'in', interfaces.map(({ subnet_id }) => subnet_id)).executeTakeFirst();
  if (floating) {
    throw conflict(`Router interface for subnet ${floating.subnet_id} on router ${router.id} cannot be deleted, as it is required by one or more floating IPs.`, { type: 'RouterInterfaceInUseByFloatingIP' });
  }
  const routes = JSON.parse(router.routes as string) as { nexthop: string }[];
  const needed = interfaces.find(({ cidr }) => routes.some(({ nexthop }) => containsAddress(parseCidr(cidr)!, parseAddress(nexthop)!)));
  if (needed) throw conflict(`Router interface for subnet ${needed.subnet_id} on router ${router.id} cannot be deleted, as it is required by one or more routes.`, { type: 'RouterInterfaceInUseByRoute' });
}

export async function touchRouter(trx: Trx, id: string): Promise<void> {
  await trx.updateTable('routers').set((eb) => ({ revision_number: eb('revision_number', '+', 1), updated_at: new Date() })).where('id', '=', id).execute();
  await queueSync(trx, 'router', id);
}
