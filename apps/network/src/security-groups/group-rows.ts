import { conflict, newUuid, notFound, type RequestContext } from '@virga/core';
import { isDuplicateKey } from '@virga/db';
import { ruleFingerprint, type Direction, type Ethertype } from '@virga/domain';
import type { Trx } from '../api/collection';
import type { Db } from '../db/tables';
import { dropGrants, sharedWith } from '../rbac-policies/grants';
import { queueSync } from '../ovn/sync-queue';

const ETHERTYPES: Ethertype[] = ['IPv4', 'IPv6'];

/** A rule that lets everything of an IP version pass, or everything from a group. */
export const plainRule = (groupId: string, projectId: string, direction: Direction, ethertype: Ethertype, remoteGroupId: string | null = null) => ({
  id: newUuid(), project_id: projectId, security_group_id: groupId, description: null, direction, ethertype, remote_group_id: remoteGroupId,
  fingerprint: ruleFingerprint({ direction, ethertype, protocol: null, portMin: null, portMax: null, remoteIpPrefix: null, remoteGroupId }),
});

/** Every new group lets its members send; what they may receive is up to its rules. */
export async function insertGroup(trx: Trx, group: { project_id: string; name: string; description: string; stateful: number; default_of: string | null }): Promise<string> {
  const id = newUuid();
  await trx.insertInto('security_groups').values({ ...group, id, revision_number: 1 }).execute();
  const rules = ETHERTYPES.map((ethertype) => plainRule(id, group.project_id, 'egress', ethertype));
  if (group.default_of) rules.push(...ETHERTYPES.map((ethertype) => plainRule(id, group.project_id, 'ingress', ethertype, id)));
  await trx.insertInto('security_group_rules').values(rules).execute();
  await queueSync(trx, 'security_group', id);
  return id;
}

/** The project's default group, made when it is first needed: its members may send, and receive from each other. */
export async function ensureDefaultGroup(trx: Trx, projectId: string): Promise<string> {
  const find = () => trx.selectFrom('security_groups').select('id').where('default_of', '=', projectId).executeTakeFirst();
  const known = await find();
  if (known) return known.id;
  try {
    return await insertGroup(trx, { project_id: projectId, name: 'default', description: 'Default security group', stateful: 1, default_of: projectId });
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    return (await find())!.id;
  }
}

export const groupNotFound = (id: string) => notFound(`Security group ${id} does not exist`, { type: 'SecurityGroupNotFound' });

/** Checks that the caller may use the groups; 404 for one that is not there or another project's. */
export async function visibleGroupIds(db: Db, caller: RequestContext, ids: readonly string[]): Promise<string[]> {
  const unique = [...new Set(ids)];
  if (unique.length === 0) return [];
  const rows = await db.selectFrom('security_groups').select(['id', 'project_id']).where('id', 'in', unique).execute();
  const mine = new Set(rows.filter((row) => caller.roleNames.has('admin') || row.project_id === caller.project?.id).map(({ id }) => id));
  const foreign = unique.filter((id) => !mine.has(id));
  const shared = await sharedWith(db, 'security_group', foreign, caller.project?.id);
  const unknown = foreign.find((id) => !shared.has(id));
  if (unknown !== undefined) throw groupNotFound(unknown);
  return unique;
}

/** A group's rules belong to it: a change of one raises the group's revision and has its rows written again. */
export async function touchGroup(trx: Trx, id: string): Promise<void> {
  await trx.updateTable('security_groups').set((eb) => ({ revision_number: eb('revision_number', '+', 1), updated_at: new Date() })).where('id', '=', id).execute();
  await queueSync(trx, 'security_group', id);
}

export async function deleteGroup(trx: Trx, row: { id: string; default_of?: unknown; project_id?: unknown }, admin: boolean): Promise<void> {
  if (row.default_of && !admin) throw conflict('Insufficient rights for removing default security group.', { type: 'SecurityGroupCannotRemoveDefault' });
  const used = await trx.selectFrom('port_security_groups').select('port_id').where('security_group_id', '=', row.id).executeTakeFirst();
  if (used) throw conflict(`Security Group ${row.id} in use.`, { type: 'SecurityGroupInUse' });
  const referring = await trx.selectFrom('security_group_rules').select('security_group_id').distinct().where('remote_group_id', '=', row.id).where('security_group_id', '!=', row.id).execute();
  await trx.deleteFrom('security_groups').where('id', '=', row.id).execute();
  await dropGrants(trx, 'security_group', row.id);
  for (const { security_group_id } of referring) await touchGroup(trx, security_group_id);
  await queueSync(trx, 'security_group', row.id);
}

