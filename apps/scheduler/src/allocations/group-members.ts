import type { PlacementGroup } from '@virga/contracts';
import type { Executor, Transaction } from '@virga/db';
import { groupAllows } from '@virga/domain';
import type { PlacementDb } from '../db/tables';

/** Hosts of the group's members, one for each; those that are the claiming member itself are left out. */
export async function hostsOfMembers(db: Executor<PlacementDb>, { id, except }: PlacementGroup, consumerId: string): Promise<string[]> {
  const rows = await db.selectFrom('allocations').select('host_id').where('group_id', '=', id).where('consumer_id', 'not in', [consumerId, ...except]).execute();
  return rows.map((row) => row.host_id);
}

/** The group's row, made outside of the claim: an insert in it would lock what others insert. */
export async function ensureGroup(db: Executor<PlacementDb>, id: string): Promise<void> {
  const row = await db.selectFrom('claim_groups').select('id').where('id', '=', id).executeTakeFirst();
  if (!row) await db.insertInto('claim_groups').ignore().values({ id }).execute();
}

/** Whether the policy lets the member be on the host, decided under the group's lock: until the transaction ends nobody else decides. */
export async function mayJoin(trx: Transaction<PlacementDb>, group: PlacementGroup, consumerId: string, hostId: string): Promise<boolean> {
  await trx.selectFrom('claim_groups').select('id').where('id', '=', group.id).forUpdate().executeTakeFirstOrThrow();
  return group.force === true || groupAllows(group, await hostsOfMembers(trx, group, consumerId), hostId);
}
