import type { RequestedNetwork } from '@virga/contracts';
import { badRequest, conflict, forbidden, notFound, type RequestContext } from '@virga/core';
import { containsAddress, formatAddress, parseAddress, parseCidr } from '@virga/domain';
import { sql } from '@virga/db';
import type { Trx } from '../api/collection';
import type { Db } from '../db/tables';
import { visibleNetwork, type NetworkRow } from '../networks/visible-network';
import { grantedIds } from '../rbac-policies/grants';
import { ensureDefaultGroup } from '../security-groups/group-rows';

export const portNotFound = (id: string) => notFound(`Port ${id} could not be found.`, { type: 'PortNotFound' });
export const portInUse = (id: string, device: string) =>
  conflict(`Port ${id} is still in use.${device ? ` Current device ID is ${device}.` : ''}`, { type: 'PortInUse' });

/** The project's only network, and shared ones; none at all is no error. */
async function onlyNetwork(db: Db, caller: RequestContext): Promise<RequestedNetwork[]> {
  const projectId = caller.project?.id ?? null;
  const networks = await db.selectFrom('networks').select('id').where('external', '=', 0)
    .where((eb) => eb.or([eb('shared', '=', 1), eb('project_id', '=', projectId!), sql<boolean>`id in (${grantedIds('network', projectId)})`])).limit(2).execute();
  if (networks.length > 1) throw conflict('Multiple possible networks found, use a Network ID to be more specific.', { type: 'NetworkAmbiguous' });
  return networks.map(({ id }) => ({ networkId: id }));
}

/** Whether an instance may have a card on the network. */
export function assertAttachable(caller: RequestContext, network: NetworkRow): void {
  if (network.external && !network.shared && !caller.roleNames.has('admin')) {
    throw forbidden(`It is not allowed to create an interface on external network ${network.id}`, { type: 'ExternalNetworkAttachForbidden' });
  }
}

async function checkNetwork(db: Db, caller: RequestContext, { networkId, fixedIp }: RequestedNetwork): Promise<RequestedNetwork> {
  const network = await visibleNetwork(db, caller, networkId!);
  assertAttachable(caller, network);
  const subnets = await db.selectFrom('subnets').select(['id', 'cidr']).where('network_id', '=', network.id).execute();
  if (subnets.length === 0) throw badRequest(`Network ${network.id} requires a subnet in order to boot instances on.`, { type: 'NetworkRequiresSubnet' });
  if (fixedIp === undefined) return { networkId: network.id };
  const address = parseAddress(fixedIp);
  if (!address || !subnets.some(({ cidr }) => containsAddress(parseCidr(cidr)!, address))) {
    throw badRequest(`IP address ${fixedIp} is not a valid IP for any of the subnets on the specified network.`, { type: 'InvalidIpForNetwork' });
  }
  const text = formatAddress(address);
  const used = await db.selectFrom('ip_allocations').select('port_id').where('network_id', '=', network.id).where('address', '=', text).executeTakeFirst();
  if (used) throw conflict(`Unable to complete operation for network ${network.id}. The IP address ${text} is in use.`, { type: 'IpAddressInUse' });
  return { networkId: network.id, fixedIp: text };
}

async function checkPort(db: Db, caller: RequestContext, portId: string): Promise<RequestedNetwork> {
  const port = await db.selectFrom('ports').select(['id', 'project_id', 'network_id', 'device_id', 'device_owner']).where('id', '=', portId).executeTakeFirst();
  if (!port || (port.project_id !== caller.project?.id && !caller.roleNames.has('admin'))) throw portNotFound(portId);
  if (port.device_id !== '' || port.device_owner !== '') throw portInUse(portId, port.device_id);
  return { portId, networkId: port.network_id };
}

/** Ids of security groups given by name or id; the default group is made when it is asked for. */
export async function resolveGroups(trx: Trx, caller: RequestContext, names: readonly string[]): Promise<string[]> {
  const projectId = caller.project?.id;
  if (names.length === 0 || projectId === undefined) return [];
  if (names.includes('default')) await ensureDefaultGroup(trx, projectId);
  const groups = await trx.selectFrom('security_groups').select(['id', 'name']).where('project_id', '=', projectId)
    .where((eb) => eb.or([eb('id', 'in', names), eb('name', 'in', names)])).execute();
  const ids = names.map((name) => {
    const found = groups.filter((group) => group.id === name);
    const named = found.length > 0 ? found : groups.filter((group) => group.name === name);
    if (named.length === 0) throw notFound(`Security group ${name} not found for project ${projectId}.`, { type: 'SecurityGroupNotFound' });
    if (named.length > 1) throw conflict(`Multiple security groups found matching '${name}'. Use an ID to be more specific.`, { type: 'NoUniqueMatch' });
    return named[0]!.id;
  });
  return [...new Set(ids)];
}

/** Checks what an instance asks for, as its user may have it; makes nothing but the project's default group. */
export async function resolveNetworks(db: Db, caller: RequestContext, requested: 'auto' | RequestedNetwork[], count: number): Promise<RequestedNetwork[]> {
  if (requested === 'auto') {
    const networks = await onlyNetwork(db, caller);
    for (const network of networks) await checkNetwork(db, caller, network);
    return networks;
  }
  const ports = requested.flatMap(({ portId }) => portId ?? []);
  if (new Set(ports).size < ports.length) throw badRequest('A port may be given only once.', { type: 'DuplicatePort' });
  if (count > 1 && requested.some(({ portId, fixedIp }) => portId !== undefined || fixedIp !== undefined)) {
    throw badRequest('A port or a fixed IP may not be given for more than one instance.', { type: 'MultiplePortsNotApplicable' });
  }
  const resolved: RequestedNetwork[] = [];
  for (const request of requested) {
    if (request.portId !== undefined) resolved.push(await checkPort(db, caller, request.portId));
    else if (request.networkId !== undefined) resolved.push(await checkNetwork(db, caller, request));
    else throw badRequest('A network or a port must be given.', { type: 'BadRequest' });
  }
  return resolved;
}
