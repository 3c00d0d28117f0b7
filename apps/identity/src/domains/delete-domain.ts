import { sql } from '@virga/db';
import type { Trx } from '../db/tables';

/** Removes the domain and all that is in it: projects with their assignments, users, groups, roles. */
export async function deleteDomain(trx: Trx, id: string): Promise<void> {
  const statements = [
    sql`delete a from role_assignments a join projects p on a.target_type = 'project' and a.target_id = p.id where p.domain_id = ${id}`,
    sql`delete a from role_assignments a join users u on a.actor_type = 'user' and a.actor_id = u.id where u.domain_id = ${id}`,
    sql`delete a from role_assignments a join ${sql.table('groups')} g on a.actor_type = 'group' and a.actor_id = g.id where g.domain_id = ${id}`,
    sql`delete from role_assignments where target_type = 'domain' and target_id = ${id}`,
    sql`update users u join projects p on u.default_project_id = p.id set u.default_project_id = null where p.domain_id = ${id}`,
    sql`update projects set parent_id = null where domain_id = ${id}`,
    sql`delete c from application_credentials c join users u on c.user_id = u.id where u.domain_id = ${id}`,
    sql`delete from projects where domain_id = ${id}`,
    sql`delete from users where domain_id = ${id}`,
    sql`delete from ${sql.table('groups')} where domain_id = ${id}`,
    sql`delete from roles where domain_id = ${id}`,
    sql`delete from domains where id = ${id}`,
  ];
  for (const statement of statements) await statement.execute(trx);
}
