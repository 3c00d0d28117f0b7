import { badRequest, conflict, newUuid, notFound, type RequestContext } from '@virga/core';
import { isDuplicateKey } from '@virga/db';
import { cidrsOverlap, formatCidr, parseCidr, type IpVersion } from '@virga/domain';
import { encodeColumns, type InputOf } from '../api/attributes';
import type { Collection, Row, Trx, View } from '../api/collection';
import { claimQuota } from '../quotas/quota-limits';
import { dropGrants, grantsOf, openToAll, sharedFilter, sharedWith, visibleOf } from '../rbac-policies/grants';
import { SUBNET_POOL_ATTRIBUTES } from './subnet-pool.attributes';
import { contains, merge, readLengths, readPrefixes, without, type Lengths } from './subnet-pool.rules';

type Input = InputOf<typeof SUBNET_POOL_ATTRIBUTES>;

const duplicateDefault = (version: number) => badRequest(`Invalid input for operation: A default subnetpool for this IP family has already been set. Only one default may exist per IP family (IPv${version}).`, { type: 'InvalidInput' });

/** The scope that a pool shall be in: of the same IP version, the caller's to use, and without a pool that has the same addresses. */
async function checkScope(trx: Trx, caller: RequestContext, scopeId: string, version: IpVersion, prefixes: readonly string[], poolId: string): Promise<void> {
  const scope = await trx.selectFrom('address_scopes').selectAll().where('id', '=', scopeId).forUpdate().executeTakeFirst();
  const usable = scope && (caller.roleNames.has('admin') || scope.project_id === caller.project?.id || (await grantsOf(trx, 'address_scope', scopeId, caller.project?.id)).size > 0);
  if (!usable) throw notFound(`Address scope ${scopeId} could not be found`, { type: 'AddressScopeNotFound' });
  if (scope.ip_version !== version) throw badRequest(`Illegal subnetpool association: subnetpool ${poolId} cannot associate with address scope ${scopeId} because subnetpool ip_version is not ${scope.ip_version}.`, { type: 'IllegalSubnetPoolIpVersionAssociationToAddressScope' });
  const others = await trx.selectFrom('subnetpools').select('prefixes').where('address_scope_id', '=', scopeId).where('id', '!=', poolId).execute();
  const theirs = others.flatMap((other) => JSON.parse(other.prefixes) as string[]).map((text) => parseCidr(text)!);
  if (prefixes.some((text) => theirs.some((other) => cidrsOverlap(other, parseCidr(text)!)))) {
    throw conflict(`Failed to associate address scope: subnetpools within an address scope must have unique prefixes.`, { type: 'AddressScopePrefixConflict' });
  }
}

async function createPool(trx: Trx, caller: RequestContext, given: Record<string, unknown>): Promise<string> {
  const input = given as Input;
  const { version, prefixes } = readPrefixes([input.prefixes!].flat());
  const lengths = readLengths(version, input as Partial<Lengths>);
  const self = { id: newUuid(), project_id: input.project_id! };
  await claimQuota(trx, 'subnetpool', self.project_id);
  if (input.address_scope_id) await checkScope(trx, caller, input.address_scope_id, version, prefixes, self.id);
  const columns = { ...encodeColumns(SUBNET_POOL_ATTRIBUTES, { ...input, ...lengths, prefixes: undefined }), ...self, prefixes: JSON.stringify(prefixes), ip_version: version };
  try {
    await trx.insertInto('subnetpools').values(columns as never).execute();
  } catch (error) {
    throw isDuplicateKey(error) ? duplicateDefault(version) : error;
  }
  if (input.shared) await openToAll(trx, 'subnetpool', self, 'access_as_shared', true);
  return self.id;
}

/** Writes the prefixes of a pool; refused when a subnet would no longer be of it. */
export async function storePool(trx: Trx, caller: RequestContext, row: Row, given: Record<string, unknown>): Promise<void> {
  const input = given as Input;
  const current = JSON.parse(row.prefixes as string) as string[];
  const read = input.prefixes === undefined ? undefined : readPrefixes([input.prefixes].flat());
  const version = row.ip_version as IpVersion;
  if (read && read.version !== version) throw badRequest('Cannot mix IPv4 and IPv6 prefixes in a subnet pool.', { type: 'IllegalSubnetPoolPrefixes' });
  const prefixes = read?.prefixes ?? current;
  if (read) await assertCovered(trx, row, current, prefixes);
  const lengths = readLengths(version, { min_prefixlen: row.min_prefixlen as number, max_prefixlen: row.max_prefixlen as number, default_prefixlen: row.default_prefixlen as number, ...(input as Partial<Lengths>) });
  const scopeId = input.address_scope_id === undefined ? (row.address_scope_id as string | null) : input.address_scope_id;
  if (scopeId !== null && (read || input.address_scope_id !== undefined)) await checkScope(trx, caller, scopeId, version, prefixes, row.id);
  const columns = encodeColumns(SUBNET_POOL_ATTRIBUTES, { ...input, ...lengths, prefixes: undefined });
  try {
    await trx.updateTable('subnetpools').set((eb) => ({
      ...columns, prefixes: JSON.stringify(prefixes), revision_number: eb('revision_number', '+', 1), updated_at: new Date(),
    })).where('id', '=', row.id).execute();
  } catch (error) {
    throw isDuplicateKey(error) ? duplicateDefault(version) : error;
  }
}

/** A pool only grows by an update; it shrinks by remove_prefixes, as far as no subnet is in the way. */
async function assertCovered(trx: Trx, row: Row, current: readonly string[], prefixes: readonly string[]): Promise<void> {
  const blocks = prefixes.map((text) => parseCidr(text)!);
  const covered = (text: string) => blocks.some((block) => contains(block, parseCidr(text)!));
  const lost = current.filter((text) => !covered(text));
  if (lost.length === 0) return;
  const subnets = await trx.selectFrom('subnets').select('cidr').where('subnetpool_id', '=', row.id).execute();
  if (subnets.some(({ cidr }) => !covered(cidr))) throw badRequest(`Illegal update to prefixes: one or more subnets use ${lost.join(', ')}.`, { type: 'IllegalSubnetPoolPrefixUpdate' });
}

export async function addPrefixes(trx: Trx, caller: RequestContext, row: Row, given: string[]): Promise<void> {
  await storePool(trx, caller, row, { prefixes: [...(JSON.parse(row.prefixes as string) as string[]), ...given] });
}

export async function removePrefixes(trx: Trx, caller: RequestContext, row: Row, given: string[]): Promise<void> {
  const gone = readPrefixes(given).prefixes.map((text) => parseCidr(text)!);
  const rest = merge((JSON.parse(row.prefixes as string) as string[]).map((text) => parseCidr(text)!)).flatMap((block) => gone.reduce((parts, one) => parts.flatMap((part) => without(part, one)), [block]));
  if (rest.length === 0) throw badRequest('Illegal update to prefixes: a pool needs a prefix.', { type: 'IllegalSubnetPoolPrefixUpdate' });
  await storePool(trx, caller, row, { prefixes: rest.map(formatCidr) });
}

export const subnetPoolCollection: Collection = {
  table: 'subnetpools',
  singular: 'subnetpool',
  plural: 'subnetpools',
  attributes: SUBNET_POOL_ATTRIBUTES,
  missing: { type: 'SubnetPoolNotFound', message: (id) => `Subnet pool ${id} could not be found.` },
  visible: visibleOf('subnetpool'),
  target: async (_db, row) => ({ projectId: row.project_id as string }),
  filters: { shared: sharedFilter('subnetpool') },
  async extend(db, rows, caller) {
    const shared = await sharedWith(db, 'subnetpool', rows.map(({ id }) => id), caller.project?.id);
    return rows.map((row): View => ({ shared: shared.has(row.id), prefixes: JSON.parse(row.prefixes as string) as string[] }));
  },
  create: createPool,
  update: storePool,
  async remove(trx, _caller, row) {
    const used = await trx.selectFrom('subnets').select('id').where('subnetpool_id', '=', row.id).executeTakeFirst();
    if (used) throw conflict('Unable to delete subnet pool: Subnet pool has existing allocations.', { type: 'SubnetPoolDeleteError' });
    await trx.deleteFrom('subnetpools').where('id', '=', row.id).execute();
    await dropGrants(trx, 'subnetpool', row.id);
  },
};
