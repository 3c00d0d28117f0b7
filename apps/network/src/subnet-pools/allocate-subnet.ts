import { badRequest, conflict, notFound, type RequestContext } from '@virga/core';
import { formatCidr, parseCidr, type Cidr } from '@virga/domain';
import type { Trx } from '../api/collection';
import { grantsOf } from '../rbac-policies/grants';
import { contains, firstFreeBlock, quotaUnits } from './subnet-pool.rules';

export interface PoolRequest { projectId: string; networkId: string; poolId: string; version: 4 | 6 | undefined; prefixLength: number | undefined; cidr: string | undefined }

const refused = (reason: string) => conflict(`Failed to allocate subnet: ${reason}.`, { type: 'SubnetAllocationError' });
const badSubnet = (message: string) => badRequest(`Bad subnets request: ${message}.`, { type: 'BadRequest' });

export const poolNotFound = (id: string) => notFound(`Subnet pool ${id} could not be found.`, { type: 'SubnetPoolNotFound' });

/** The pool as one who may take from it, its row locked: who cuts subnets from a pool does so one after the other. */
async function usablePool(trx: Trx, caller: RequestContext, id: string) {
  const pool = await trx.selectFrom('subnetpools').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
  const usable = pool && (caller.roleNames.has('admin') || pool.project_id === caller.project?.id || (await grantsOf(trx, 'subnetpool', id, caller.project?.id)).size > 0);
  if (!usable) throw poolNotFound(id);
  return pool;
}

/** The id of the default pool of an IP version; 400 when there is none. */
export async function defaultPoolId(trx: Trx, version: 4 | 6 | undefined): Promise<string> {
  const pool = await trx.selectFrom('subnetpools').select('id').where('is_default', '=', 1).where('ip_version', '=', version ?? 4).executeTakeFirst();
  if (!pool) throw badSubnet(`No default subnetpool found for IPv${version ?? 4}`);
  return pool.id;
}

/** Takes a block for a new subnet: the one asked for, or the first free one of the length. Throws when it is not the pool's to give. */
export async function takeBlock(trx: Trx, caller: RequestContext, request: PoolRequest): Promise<{ cidr: string; version: 4 | 6 }> {
  const pool = await usablePool(trx, caller, request.poolId);
  const version = pool.ip_version as 4 | 6;
  if (request.version !== undefined && request.version !== version) throw badSubnet('Cannot allocate subnet: IP version of the pool differs');
  const others = await trx.selectFrom('subnets').select('subnetpool_id').where('network_id', '=', request.networkId).where('ip_version', '=', version).execute();
  if (others.some(({ subnetpool_id: other }) => other !== pool.id)) {
    throw badRequest('Subnets hosted on the same network must be allocated from the same subnet pool.', { type: 'NetworkSubnetPoolAffinityError' });
  }
  const asked = request.cidr === undefined ? undefined : parseCidr(request.cidr);
  if (request.cidr !== undefined && !asked) throw badRequest(`Invalid input for cidr. Reason: '${request.cidr}' is not a valid IP subnet.`, { type: 'HTTPBadRequest' });
  const length = asked?.prefix ?? request.prefixLength ?? pool.default_prefixlen;
  if (length < pool.min_prefixlen) throw badRequest(`Unable to allocate subnet with prefix length ${length}, minimum allowed prefix is ${pool.min_prefixlen}.`, { type: 'MinPrefixSubnetAllocationError' });
  if (length > pool.max_prefixlen) throw badRequest(`Unable to allocate subnet with prefix length ${length}, maximum allowed prefix is ${pool.max_prefixlen}.`, { type: 'MaxPrefixSubnetAllocationError' });
  const taken = await trx.selectFrom('subnets').select(['cidr', 'project_id']).where('subnetpool_id', '=', pool.id).execute();
  const block = freeBlock((JSON.parse(pool.prefixes) as string[]).map((prefix) => parseCidr(prefix)!), taken.map(({ cidr }) => parseCidr(cidr)!), asked, length);
  if (pool.default_quota !== null) {
    const used = taken.filter(({ project_id }) => project_id === request.projectId).reduce((sum, { cidr }) => sum + quotaUnits(parseCidr(cidr)!), 0n);
    if (used + quotaUnits(block) > BigInt(pool.default_quota)) throw conflict('Per-tenant subnet pool prefix quota exceeded.', { type: 'SubnetPoolQuotaExceeded' });
  }
  return { cidr: formatCidr(block), version };
}

function freeBlock(prefixes: Cidr[], taken: Cidr[], asked: Cidr | undefined, length: number): Cidr {
  if (!asked) {
    const found = firstFreeBlock(prefixes, taken, length);
    if (!found) throw refused(`Insufficient prefix space to allocate subnet size /${length}`);
    return found;
  }
  const inside = prefixes.some((prefix) => contains(prefix, asked));
  if (!inside || taken.some((other) => contains(other, asked) || contains(asked, other))) throw refused('Cannot allocate requested subnet from the available set of prefixes');
  return asked;
}
