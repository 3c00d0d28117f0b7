import { Inject, Injectable } from '@nestjs/common';
import type { TokenClaims } from '@virga/contracts';
import { forbidden, unauthorized } from '@virga/core';
import { DATABASE } from '../injection';
import type { Db } from '../db/tables';
import { findGrants, type GrantedScope } from '../role-assignments/grants';
import { isAlive, rolesOfTrust } from '../trusts/trust';
import { findLoginUser, isUsable, type LoginUser } from './find-user';
import { REJECTED } from './read-scope';

export interface TrustScope {
  scope: GrantedScope;
  /** Whose name the token bears. */
  user: LoginUser;
  trust: NonNullable<TokenClaims['trust']>;
  /** Seconds since the epoch. */
  expiresAt?: number;
}

@Injectable()
export class TrustLogin {
  constructor(@Inject(DATABASE) private readonly db: Db) {}

  /**
   * What the trustee gets by the trust: its roles, all of which the trustor must still hold. Takes one of the trust's
   * uses. 401 for a trust that is not there or has ended, 403 for a user who is not its trustee.
   */
  async redeem(id: string, trustee: LoginUser): Promise<TrustScope> {
    const row = await this.db.selectFrom('trusts').selectAll().where('id', '=', id).executeTakeFirst();
    if (!row || !isAlive(row)) throw unauthorized(REJECTED);
    if (row.trustee_user_id !== trustee.id) throw forbidden('User is not a trustee.');
    const trustor = await findLoginUser(this.db, { id: row.trustor_user_id });
    if (!trustor || !isUsable(trustor)) throw forbidden('Trustor is disabled.');
    const scope = row.project_id === null ? { enabled: true, roles: [] } : await this.lent(id, trustor.id, row.project_id);
    await this.takeUse(id, row.remaining_uses);
    return {
      scope,
      user: row.impersonation ? trustor : trustee,
      trust: { id, impersonation: Boolean(row.impersonation), trustor: trustor.id, trustee: trustee.id },
      ...(row.expires_at !== null && { expiresAt: Math.floor(Number(row.expires_at) / 1e6) }),
    };
  }

  private async lent(id: string, trustorId: string, projectId: string): Promise<GrantedScope> {
    const granted = await findGrants(this.db, trustorId, { kind: 'project', id: projectId });
    const roles = await rolesOfTrust(this.db, id);
    const held = new Set(granted?.roles.map((role) => role.id));
    if (!granted?.enabled || roles.length === 0 || !roles.every((role) => held.has(role.id))) throw forbidden('Trustee has no delegated roles.');
    // What the lent roles imply comes with them.
    const implied = await this.db.selectFrom('implied_roles').selectAll().execute();
    const effective = new Set(roles.map((role) => role.id));
    for (const roleId of effective) for (const { prior_role_id: prior, implied_role_id: next } of implied) if (prior === roleId) effective.add(next);
    return { ...granted, roles: granted.roles.filter((role) => effective.has(role.id)) };
  }

  private async takeUse(id: string, remaining: number | null): Promise<void> {
    if (remaining === null) return;
    const { numUpdatedRows } = await this.db.updateTable('trusts').set((eb) => ({ remaining_uses: eb('remaining_uses', '-', 1) }))
      .where('id', '=', id).where('remaining_uses', '>', 0).executeTakeFirst();
    if (numUpdatedRows === 0n) throw unauthorized(REJECTED);
  }
}
