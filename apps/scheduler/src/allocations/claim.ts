import type { PlacementGroup } from '@virga/contracts';
import { conflict, unavailable } from '@virga/core';
import { inTransaction, isDuplicateKey, sql, type Kysely, type Transaction } from '@virga/db';
import { filterHosts, groupAllows, groupLikes, rankHosts, refusalMessage, type Candidate, type FilterResult, type Wish } from '@virga/domain';
import type { PlacementDb } from '../db/tables';
import type { HostView } from '../hosts/host-view';
import { ensureGroup, hostsOfMembers, mayJoin } from './group-members';

export interface ClaimRequest extends Wish {
  consumerId: string;
  group?: PlacementGroup;
  projectId: string;
}
export interface Claim {
  hostId: string;
  hostname: string;
}

export interface ClaimEvents {
  /** A host was full or gone when the claim came to it. */
  lostRace(hostId: string): void;
}

/** Looks at the hosts this often before it gives up on others who are always faster. */
const LOOKS = 5;

/**
 * Gives the consumer room on the best host that fits, or returns what it already holds. Any number of schedulers may
 * claim at once: the hosts in memory only say where to try, one conditional statement per host decides. A refusal is
 * never by an old picture: the hosts are read again first.
 */
export async function claim(db: Kysely<PlacementDb>, view: HostView, request: ClaimRequest, events: ClaimEvents): Promise<Claim> {
  const held = await claimOf(db, request.consumerId);
  if (held) return held;
  const full = new Set<string>();
  const { group } = request;
  if (group) await ensureGroup(db, group.id);
  for (let look = 1; look <= LOOKS; look++) {
    const all = await view.all();
    const members = group ? await hostsOfMembers(db, group, request.consumerId) : [];
    const wish: Wish = group && !group.force ? { ...request, groupHostIds: all.map(({ hostId }) => hostId).filter((hostId) => groupAllows(group, members, hostId)) } : request;
    const { hosts, filters } = filterHosts(all, wish);
    if (hosts.length === 0 && look > 1) throw noValidHost(filters);
    for (const host of rankHosts(hosts, `${request.consumerId}/${look}`, group && ((hostId) => groupLikes(group, members, hostId)))) {
      if (full.has(host.hostId)) continue;
      const outcome = await tryHost(db, host, request);
      if (outcome === 'claimed') {
        view.taken(host.hostId, request.resources);
        return { hostId: host.hostId, hostname: host.hostname };
      }
      if (outcome !== 'full') return outcome;
      full.add(host.hostId);
      events.lostRace(host.hostId);
    }
    full.clear();
    view.invalidate();
  }
  throw unavailable('The hosts changed faster than the claim could follow.');
}

/** What the consumer holds. */
export async function claimOf(db: Kysely<PlacementDb> | Transaction<PlacementDb>, consumerId: string): Promise<Claim | undefined> {
  return db.selectFrom('allocations').innerJoin('hosts', 'hosts.id', 'allocations.host_id').where('consumer_id', '=', consumerId)
    .select(['hosts.id as hostId', 'hosts.hostname as hostname']).executeTakeFirst();
}

/** The claim on one host, whole or not at all. Resolves to the claim that the same consumer got meanwhile, if it did. */
async function tryHost(db: Kysely<PlacementDb>, host: Candidate, request: ClaimRequest): Promise<'claimed' | 'full' | Claim> {
  const { vcpus, memoryMb, diskGb } = request.resources;
  try {
    return await inTransaction(db, async (trx) => {
      if (request.group && !(await mayJoin(trx, request.group, request.consumerId, host.hostId))) return 'full' as const;
      // The host first: the allocation's foreign key takes a shared lock on it, which two claims could not both raise.
      const { numAffectedRows } = await sql`UPDATE hosts
        SET used_vcpus = used_vcpus + ${vcpus}, used_memory_mb = used_memory_mb + ${memoryMb}, used_disk_gb = used_disk_gb + ${diskGb}
        WHERE id = ${host.hostId} AND lease_until > NOW(3) AND (enabled = 1 OR ${request.skipFilters ? 1 : 0} = 1)
          AND used_vcpus + ${vcpus} <= capacity_vcpus AND used_memory_mb + ${memoryMb} <= capacity_memory_mb AND used_disk_gb + ${diskGb} <= capacity_disk_gb
          AND ${vcpus} <= inventory_vcpus AND ${memoryMb} <= inventory_memory_mb AND ${diskGb} <= inventory_disk_gb`.execute(trx);
      if (numAffectedRows === 0n) return 'full' as const;
      await trx.insertInto('allocations').values({
        consumer_id: request.consumerId, host_id: host.hostId, project_id: request.projectId, group_id: request.group?.id ?? null, vcpus, memory_mb: memoryMb, disk_gb: diskGb,
      }).execute();
      return 'claimed' as const;
    });
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    // The transaction is gone, and with it what it took of the host.
    const held = await claimOf(db, request.consumerId);
    if (!held) throw unavailable('The claim was released while it was made.');
    return held;
  }
}

function noValidHost(filters: FilterResult[]): Error {
  return conflict(refusalMessage(filters), { type: 'NoValidHost', details: { filters } });
}
