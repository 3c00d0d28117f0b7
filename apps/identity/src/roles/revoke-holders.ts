import { sql } from '@virga/db';
import type { Trx } from '../db/tables';
import type { Revoke } from '../revocations/revoker';

/** Voids the tokens of all users who hold the role: by themselves, by a group, or because a role of theirs implies it. */
export async function revokeHolders(trx: Trx, revoke: Revoke, roleId: string): Promise<void> {
  const { rows } = await sql<{ user_id: string }>`
    with recursive above (id) as (
      select r.id from roles r where r.id = ${roleId}
      union select i.prior_role_id from implied_roles i join above a on i.implied_role_id = a.id)
    select a.actor_id as user_id from role_assignments a join above on above.id = a.role_id where a.actor_type = 'user'
    union select m.user_id from role_assignments a join above on above.id = a.role_id
      join group_members m on m.group_id = a.actor_id where a.actor_type = 'group'`.execute(trx);
  for (const { user_id: userId } of rows) revoke({ userId });
}
