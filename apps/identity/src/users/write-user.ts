import { badRequest, newHexId } from '@virga/core';
import { defined, extraOf, findRow, holdRow, lockRow, mergedExtra, mergedOptions } from '../collection/rows';
import type { Trx, UserRow } from '../db/tables';
import type { Revoke } from '../revocations/revoker';
import { USER_ATTRIBUTES, type UserCreate, type UserUpdate } from './user';

export const userTaken = (name: string, domainId: string) =>
  `Conflict occurred attempting to store user - Duplicate entry found with name ${name} at domain ID ${domainId}.`;

export async function insertUser(trx: Trx, user: UserCreate['user'], domainId: string, passwordHash: string | null): Promise<UserRow> {
  await holdRow(trx, 'domains', 'domain', domainId);
  const row: UserRow = {
    id: newHexId(), domain_id: domainId, name: user.name, password_hash: passwordHash, enabled: user.enabled ?? true,
    default_project_id: user.default_project_id ?? null, options: mergedOptions('{}', user.options),
    extra: JSON.stringify(extraOf(user, USER_ATTRIBUTES)),
  };
  await trx.insertInto('users').values(row).execute();
  return row;
}

/** Applies a change; another password or a disabled user voids the tokens. `passwordHash` undefined leaves the password. */
export async function updateUser(trx: Trx, revoke: Revoke, id: string, user: UserUpdate['user'], passwordHash: string | null | undefined): Promise<void> {
  const row = await findRow<UserRow>(trx, 'users', 'user', id);
  if (user.domain_id !== undefined && user.domain_id !== row.domain_id) throw badRequest('Cannot change Domain ID');
  await trx.updateTable('users').where('id', '=', id).set({
    ...defined({ name: user.name, enabled: user.enabled, default_project_id: user.default_project_id, password_hash: passwordHash }),
    options: mergedOptions(row.options, user.options),
    extra: mergedExtra(row.extra, user, USER_ATTRIBUTES),
  }).execute();
  if (user.enabled === false || passwordHash !== undefined) revoke({ userId: id });
}

/** Removes the user with assignments, memberships and application credentials. */
export async function deleteUser(trx: Trx, revoke: Revoke, id: string): Promise<void> {
  await lockRow<UserRow>(trx, 'users', 'user', id);
  await trx.deleteFrom('role_assignments').where('actor_type', '=', 'user').where('actor_id', '=', id).execute();
  // Before their access rules, which credentials hold fast.
  await trx.deleteFrom('application_credentials').where('user_id', '=', id).execute();
  await trx.deleteFrom('users').where('id', '=', id).execute();
  revoke({ userId: id });
}
