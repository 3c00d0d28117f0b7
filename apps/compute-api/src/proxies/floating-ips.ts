import { badRequest, CloudError, conflict, forbidden, notFound, type RequestContext } from '@virga/core';
import { queryText, segment, type NeighbourApis } from './neighbour-api';

/** As the network service shows it. */
export interface FloatingIpFacts {
  id: string; floating_ip_address: string; fixed_ip_address: string | null; floating_network_id: string; port_id: string | null;
  port_details?: { device_id?: string } | null;
}
export interface PoolFacts { id: string; name: string; is_default?: boolean }
export interface PortFacts { id: string; network_id: string; fixed_ips: { ip_address: string; subnet_id: string }[] }

/** Networks that floating IPs come from. */
export const pools = async ({ network }: NeighbourApis, caller: RequestContext): Promise<PoolFacts[]> =>
  (await network.ask<{ networks: PoolFacts[] }>(caller, 'GET', '/v2.0/networks?router:external=true')).networks;

/** The pool by name or id; without one the default of the cloud, or its only one. 404 when there is none such. */
export async function findPool(apis: NeighbourApis, caller: RequestContext, wanted: string | undefined): Promise<PoolFacts> {
  const all = await pools(apis, caller);
  const found = wanted === undefined
    ? all.find(({ is_default: preferred }) => preferred === true) ?? (all.length === 1 ? all[0] : undefined)
    : all.find(({ id }) => id === wanted) ?? all.find(({ name }) => name === wanted);
  if (!found) throw notFound('Floating IP pool not found.');
  return found;
}

export const projectsFloatingIps = async ({ network }: NeighbourApis, caller: RequestContext, more: Record<string, string> = {}): Promise<FloatingIpFacts[]> =>
  (await network.ask<{ floatingips: FloatingIpFacts[] }>(caller, 'GET', `/v2.0/floatingips${queryText({ project_id: caller.project?.id, ...more })}`)).floatingips;

/** 404 in nova's words for an address that the project has not. */
export async function byAddress(apis: NeighbourApis, caller: RequestContext, address: string): Promise<FloatingIpFacts> {
  const [found] = await projectsFloatingIps(apis, caller, { floating_ip_address: address });
  if (!found) throw notFound('floating IP not found');
  return found;
}

export const portsOf = async ({ network }: NeighbourApis, caller: RequestContext, serverId: string): Promise<PortFacts[]> =>
  (await network.ask<{ ports: PortFacts[] }>(caller, 'GET', `/v2.0/ports${queryText({ device_id: serverId })}`)).ports;

/** Gives a floating IP to a fixed IPv4 address of a server, taking it from whatever had it. */
export async function associate(apis: NeighbourApis, caller: RequestContext, serverId: string, address: string, fixedAddress: string | undefined): Promise<void> {
  const fixed = (await portsOf(apis, caller, serverId)).flatMap(({ id, fixed_ips: ips }) => ips.filter(({ ip_address: ip }) => !ip.includes(':')).map(({ ip_address: ip }) => ({ portId: id, ip })));
  if (fixed.length === 0) throw badRequest('No fixed IPs associated to instance');
  const chosen = fixedAddress === undefined ? fixed[0] : fixed.find(({ ip }) => ip === fixedAddress);
  if (!chosen) throw badRequest('Specified fixed address not assigned to instance');
  const floating = await byAddress(apis, caller, address);
  await put(apis, caller, floating.id, { port_id: chosen.portId, fixed_ip_address: chosen.ip }).catch((error: unknown) => {
    if (!(error instanceof CloudError) || error.status >= 500) throw error;
    throw badRequest(`Unable to associate floating IP ${address} to fixed IP ${chosen.ip} for instance ${serverId}. Error: ${error.message}`);
  });
}

/** Takes it back; 409 when the server has not got it. */
export async function disassociate(apis: NeighbourApis, caller: RequestContext, serverId: string, address: string): Promise<void> {
  const floating = await byAddress(apis, caller, address);
  const ports = await portsOf(apis, caller, serverId);
  if (!ports.some(({ id }) => id === floating.port_id)) throw conflict(`Floating IP ${address} is not associated with instance ${serverId}.`);
  await put(apis, caller, floating.id, { port_id: null });
}

const put = ({ network }: NeighbourApis, caller: RequestContext, id: string, floatingip: object): Promise<unknown> =>
  network.ask(caller, 'PUT', `/v2.0/floatingips/${segment(id)}`, { floatingip });

/** A full quota is forbidden here and an exhausted pool not found, as nova had it. */
export function refusedAllocation(error: unknown): never {
  if (!(error instanceof CloudError) || error.status >= 500) throw error;
  if (error.type === 'OverQuota') throw forbidden('IP allocation over quota.');
  if (error.type === 'IpAddressGenerationFailure') throw notFound('No more floating IPs available.');
  throw error;
}
