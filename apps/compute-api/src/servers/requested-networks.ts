import { badRequest, CloudError, type ActorRef } from '@virga/core';
import type { RequestedNetwork } from '@virga/contracts';
import type { Neighbours } from '../tokens';
import type { CreateServerBody } from './create-server.schema';

/** Refusals of the network service that are conflicts or quota here; all its other refusals are bad requests. */
const STATUS: Record<string, 409 | 403> = { PortInUse: 409, NetworkAmbiguous: 409, OverQuota: 403 };
const KIND = { 409: 'conflict', 403: 'overQuota' } as const;

export interface NetworkRequest { requested: CreateServerBody['server']['networks']; securityGroups: string[]; count: number; minor: number }
export interface ResolvedNetworks { networks: RequestedNetwork[]; securityGroupIds: string[] }

/**
 * What the server's ports will be. Until 2.36 no `networks` means `auto`. The network service judges networks, ports,
 * addresses and security groups as the actor sees them.
 */
export async function resolveNetworks({ network }: Neighbours, actor: ActorRef, { requested, securityGroups, count }: NetworkRequest): Promise<ResolvedNetworks> {
  if (requested === 'none') return { networks: [], securityGroupIds: [] };
  const list = requested === undefined || requested === 'auto' || requested.length === 0 ? 'auto' : requested.map(toRequested);
  try {
    const { networks, securityGroupIds } = await network.resolveRequested({ actor, requested: list, securityGroups, count });
    return { networks, securityGroupIds };
  } catch (error) {
    if (!(error instanceof CloudError) || error.status >= 500) throw error;
    const status = STATUS[error.type ?? ''];
    throw status === undefined ? badRequest(error.message) : new CloudError(KIND[status], error.message, { status });
  }
}

function toRequested({ uuid, port, fixed_ip: fixedIp }: { uuid?: string; port?: string | null; fixed_ip?: string }): RequestedNetwork {
  if (port) {
    if (fixedIp !== undefined) throw badRequest(`Specified Fixed IP '${fixedIp}' cannot be used with port '${port}': the two cannot be specified together.`);
    return { portId: port };
  }
  if (uuid === undefined) throw badRequest("Bad networks format: network uuid is not in proper format (None)");
  return { networkId: uuid, ...(fixedIp !== undefined && { fixedIp }) };
}
