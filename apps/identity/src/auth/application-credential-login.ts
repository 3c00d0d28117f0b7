import { Inject, Injectable } from '@nestjs/common';
import { unauthorized } from '@virga/core';
import { DATABASE } from '../injection';
import { accessRulesOf } from '../access-rules/access-rule';
import type { AccessRuleRow } from '../db/delegation-tables';
import type { Db } from '../db/tables';
import { PasswordHasher } from '../passwords/password-hash';
import type { AuthRequest } from './auth-request';
import { findLoginUser, isUsable, type LoginUser } from './find-user';
import { expecting, REJECTED } from './read-scope';

/** The credential that a login used. Its id is the last audit id of every token made from it, so that deleting it voids them all. */
export interface UsedCredential {
  id: string;
  name: string;
  projectId: string;
  unrestricted: boolean;
  /** Microseconds since the epoch. */
  expiresAt: number | null;
  roleIds: ReadonlySet<string>;
  /** Undefined for a credential that may do whatever its roles allow. */
  accessRules?: AccessRuleRow[];
}

type Given = NonNullable<AuthRequest['auth']['identity']['application_credential']>;

/** Whether microseconds since the epoch lie in the past. */
const isPast = (expiresAt: number | null): boolean => expiresAt !== null && Number(expiresAt) <= Date.now() * 1000;

@Injectable()
export class ApplicationCredentialLogin {
  constructor(@Inject(DATABASE) private readonly db: Db, @Inject(PasswordHasher) private readonly hasher: PasswordHasher) {}

  /** Throws 401 for a wrong, expired or unknown credential, after the same work. */
  async verify(given: Given): Promise<{ user: LoginUser; credential: UsedCredential }> {
    if (given.id === undefined && given.name === undefined) throw expecting('id or name', 'application_credential');
    if (given.id === undefined && !given.user) throw expecting('user', 'application_credential');
    const namedUser = given.user ? await findLoginUser(this.db, given.user) : undefined;
    const row = given.id !== undefined
      ? await this.rows().where('id', '=', given.id).executeTakeFirst()
      : await this.rows().where('user_id', '=', namedUser?.id ?? '').where('name', '=', given.name!).executeTakeFirst();
    const right = await this.hasher.verify(given.secret, row?.secret_hash);
    if (!row || !right || (isPast(row.expires_at))) throw unauthorized(REJECTED);
    const user = namedUser ?? await findLoginUser(this.db, { id: row.user_id });
    if (!user || user.id !== row.user_id || !isUsable(user)) throw unauthorized(REJECTED);
    return { user, credential: await this.withRoles(row) };
  }

  /** The living credential of that id. */
  async find(id: string): Promise<UsedCredential | undefined> {
    const row = await this.rows().where('id', '=', id).executeTakeFirst();
    if (!row || (isPast(row.expires_at))) return undefined;
    return this.withRoles(row);
  }

  private rows() {
    return this.db.selectFrom('application_credentials').selectAll();
  }

  private async withRoles(row: { id: string; name: string; project_id: string; unrestricted: number | boolean; expires_at: number | null }): Promise<UsedCredential> {
    const [roles, rules] = await Promise.all([
      this.db.selectFrom('application_credential_roles').select('role_id').where('application_credential_id', '=', row.id).execute(),
      accessRulesOf(this.db, [row.id]),
    ]);
    const accessRules = rules.get(row.id);
    return {
      id: row.id, name: row.name, projectId: row.project_id, unrestricted: Boolean(row.unrestricted),
      expiresAt: row.expires_at === null ? null : Number(row.expires_at), roleIds: new Set(roles.map(({ role_id }) => role_id)),
      ...(accessRules && { accessRules }),
    };
  }
}
