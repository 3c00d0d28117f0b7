import { forbidden, type RequestContext } from '@virga/core';
import { sql } from '@virga/db';
import type { ActorType, Exec } from '../db/tables';

/**
 * 403 when somebody who is no admin would take over one who is: the manager of a domain may not change the password
 * of an admin who lives there, nor enter a group that is admin. A role on the system counts as much.
 */
export async function refuseTakeOver(db: Exec, caller: RequestContext, rule: string, actorType: ActorType, id: string): Promise<void> {
  if (caller.roleNames.has('admin')) return;
  const ofGroups = actorType === 'user' ? sql`or (a.actor_type = 'group' and a.actor_id in (select m.group_id from group_members m where m.user_id = ${id}))` : sql``;
  const { rows } = await sql`select 1 from role_assignments a join roles r on r.id = a.role_id
    where ((a.actor_type = ${actorType} and a.actor_id = ${id}) ${ofGroups}) and (a.target_type = 'system' or r.name = 'admin') limit 1`.execute(db);
  if (rows.length > 0) throw forbidden(`You are not authorized to perform the requested action: ${rule}.`);
}
