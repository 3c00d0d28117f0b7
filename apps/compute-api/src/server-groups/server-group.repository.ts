import type { PlacementGroup } from '@virga/contracts';
import { CloudError, notFound, type RequestContext } from '@virga/core';
import { fromJson } from '../db/json';
import { sql, type Executor, type Selectable, type Transaction } from '@virga/db';
import type { GroupPolicy } from '@virga/domain';
import type { ComputeDb, ServerGroupsTable } from '../db/schema';
import { readLimits } from '../quotas/quota-limits';

export type ServerGroup = Selectable<ServerGroupsTable> & { members: string[] };

const MEMBERS = sql<unknown>`(SELECT JSON_ARRAYAGG(m.instance_id ORDER BY i.num) FROM server_group_members m JOIN instances i ON i.id = m.instance_id
  WHERE m.group_id = server_groups.id AND i.deleted_at IS NULL)`;

export const groupNotFound = (id: string) => notFound(`Instance group ${id} could not be found.`);

/** Another project's group does not exist, except for administrators. */
export async function findServerGroup(db: Executor<ComputeDb>, caller: RequestContext, id: string): Promise<ServerGroup | undefined> {
  let query = db.selectFrom('server_groups').selectAll().select(MEMBERS.as('members')).where('id', '=', id);
  if (!caller.roleNames.has('admin')) query = query.where('project_id', '=', caller.project?.id ?? '');
  const row = await query.executeTakeFirst();
  return row && { ...row, members: fromJson<string[]>(row.members, []) };
}

export async function listServerGroups(db: Executor<ComputeDb>, projectId: string | undefined, { limit, offset }: { limit: number; offset: number }): Promise<ServerGroup[]> {
  let query = db.selectFrom('server_groups').selectAll().select(MEMBERS.as('members'));
  if (projectId !== undefined) query = query.where('project_id', '=', projectId);
  const rows = limit === 0 ? [] : await query.orderBy('num').limit(limit).offset(offset).execute();
  return rows.map((row) => ({ ...row, members: fromJson<string[]>(row.members, []) }));
}

export async function countServerGroups(db: Executor<ComputeDb>, projectId: string): Promise<number> {
  const { count } = await db.selectFrom('server_groups').select(({ fn }) => fn.countAll<number>().as('count')).where('project_id', '=', projectId).executeTakeFirstOrThrow();
  return Number(count);
}

/** Makes new servers members; 403 when the group would have more of the user's than the quota allows. The group's row stays locked until the end. */
export async function joinGroup(trx: Transaction<ComputeDb>, groupId: string, instanceIds: readonly string[], { projectId, userId }: { projectId: string; userId: string }): Promise<void> {
  const group = await trx.selectFrom('server_groups').select('id').where('id', '=', groupId).forUpdate().executeTakeFirst();
  if (!group) throw new CloudError('badRequest', `Instance group ${groupId} could not be found.`);
  const { server_group_members: limit } = await readLimits(trx, projectId, userId);
  const { count } = await trx.selectFrom('server_group_members as m').innerJoin('instances as i', 'i.id', 'm.instance_id').select(({ fn }) => fn.countAll<number>().as('count'))
    .where('m.group_id', '=', groupId).where('i.user_id', '=', userId).where('i.deleted_at', 'is', null).executeTakeFirstOrThrow();
  if (limit >= 0 && Number(count) + instanceIds.length > limit) throw new CloudError('overQuota', 'Quota exceeded, too many servers in group', { status: 403 });
  await trx.insertInto('server_group_members').values(instanceIds.map((id) => ({ group_id: groupId, instance_id: id }))).execute();
}

/**
 * What a claim for the instance must say of its server group; nothing when it is in none. To be spread into every claim. `except`:
 * other consumers that hold room for the same instance.
 */
export async function groupClaim(db: Executor<ComputeDb>, instanceId: string, { except = [], force = false }: { except?: string[]; force?: boolean } = {}): Promise<{ group?: PlacementGroup }> {
  const row = await db.selectFrom('server_group_members as m').innerJoin('server_groups as g', 'g.id', 'm.group_id').select(['g.id', 'g.policy', 'g.max_per_host']).where('m.instance_id', '=', instanceId).executeTakeFirst();
  return row ? { group: { id: row.id, policy: row.policy as GroupPolicy, maxPerHost: row.max_per_host ?? 1, except: [instanceId, ...except], ...(force && { force }) } } : {};
}
