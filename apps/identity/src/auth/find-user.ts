import type { Exec, Flag } from '../db/tables';
import type { UserReference } from './auth-request';
import { expecting } from './read-scope';

export interface LoginUser {
  id: string; name: string; enabled: Flag; password_hash: string | null; default_project_id: string | null;
  domain_id: string; domain_name: string; domain_enabled: Flag;
}

/** The user with domain and password hash; undefined when there is none. 400 when the reference is incomplete. */
export async function findLoginUser(db: Exec, reference: UserReference): Promise<LoginUser | undefined> {
  let query = db.selectFrom('users').innerJoin('domains', 'domains.id', 'users.domain_id').select([
    'users.id', 'users.name', 'users.enabled', 'users.password_hash', 'users.default_project_id',
    'domains.id as domain_id', 'domains.name as domain_name', 'domains.enabled as domain_enabled',
  ]);
  if (reference.id !== undefined) {
    query = query.where('users.id', '=', reference.id);
  } else {
    if (reference.name === undefined) throw expecting('id or name', 'user');
    query = query.where('users.name', '=', reference.name);
    if (reference.domain?.id !== undefined) query = query.where('domains.id', '=', reference.domain.id);
    else if (reference.domain?.name !== undefined) query = query.where('domains.name', '=', reference.domain.name);
    else throw expecting('domain', 'user');
  }
  return query.executeTakeFirst();
}

export const isUsable = (user: LoginUser): boolean => Boolean(user.enabled) && Boolean(user.domain_enabled);
