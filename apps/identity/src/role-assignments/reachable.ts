import type { RawBuilder } from 'kysely';
import { sql } from '@virga/db';

const actor = (userId: string) => sql`((a.actor_type = 'user' and a.actor_id = ${userId})
  or (a.actor_type = 'group' and a.actor_id in (select m.group_id from group_members m where m.user_id = ${userId})))`;

/** A subselect of the ids of projects in which the user holds a role: directly, by a group, or inherited. */
export const projectsOfUser = (userId: string): RawBuilder<unknown> => sql`
  select a.target_id from role_assignments a where a.target_type = 'project' and a.inherited = 0 and ${actor(userId)}
  union select p.id from projects p join role_assignments a on a.target_type = 'domain' and a.inherited = 1 and a.target_id = p.domain_id where ${actor(userId)}
  union select id from (
    with recursive below (id) as (
      select p.id from projects p join role_assignments a on a.target_type = 'project' and a.inherited = 1 and a.target_id = p.parent_id where ${actor(userId)}
      union select p.id from projects p join below b on p.parent_id = b.id)
    select id from below) inherited_below`;

/** A subselect of the ids of domains in which the user holds a role. */
export const domainsOfUser = (userId: string): RawBuilder<unknown> => sql`
  select a.target_id from role_assignments a where a.target_type = 'domain' and a.inherited = 0 and ${actor(userId)}`;

export const systemOfUser = (userId: string): RawBuilder<unknown> => sql`
  select a.target_id from role_assignments a where a.target_type = 'system' and ${actor(userId)}`;
