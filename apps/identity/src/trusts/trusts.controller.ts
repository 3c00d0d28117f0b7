import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { badRequest, forbidden, newHexId, notFound, type RequestContext } from '@virga/core';
import { inTransaction, sql } from '@virga/db';
import { Authenticated, Caller, PolicyEnforcer, ValidBody, ValidQuery } from '@virga/rest';
import { readExpiry } from '../application-credentials/application-credential';
import { envelope, listRows, single, type ListSpec, type Query } from '../collection/list';
import { extraOf, findRow, missing, storing } from '../collection/rows';
import { AnyQuery } from '../collection/schema-parts';
import type { TrustRow } from '../db/delegation-tables';
import type { Db, RoleRow, UserRow } from '../db/tables';
import { CONFIG, DATABASE, ENFORCER, type Settings } from '../injection';
import { findGrants } from '../role-assignments/grants';
import { roleView } from '../roles/role';
import { Revoker } from '../revocations/revoker';
import { refuseDelegated } from './refuse-delegated';
import { isAlive, rolesOfTrust, TRUST_ATTRIBUTES, TrustCreate, trustView } from './trust';

const trustList: ListSpec = {
  table: 'trusts', columns: ['id', 'trustor_user_id', 'trustee_user_id', 'project_id', 'impersonation', 'expires_at', 'remaining_uses', 'extra'],
  exact: { trustor_user_id: 'trustor_user_id', trustee_user_id: 'trustee_user_id' },
};

/** Roles that one user lends to another in a project. Rules depend on whose trust it is, so they are enforced inside. */
@Controller('v3/OS-TRUST/trusts') @Authenticated()
export class TrustsController {
  constructor(
    @Inject(DATABASE) private readonly db: Db,
    @Inject(CONFIG) private readonly settings: Settings,
    @Inject(ENFORCER) private readonly policy: PolicyEnforcer,
    @Inject(Revoker) private readonly revoker: Revoker,
  ) {}

  @Get()
  async list(@ValidQuery(AnyQuery) query: Query, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    const [trustor, trustee] = [single(query['trustor_user_id']), single(query['trustee_user_id'])];
    if (trustor === undefined && trustee === undefined) this.policy.enforce(caller, 'identity:list_trusts');
    if (trustor !== undefined) this.policy.enforce(caller, 'identity:list_trusts_for_trustor', { userId: trustor });
    if (trustee !== undefined) this.policy.enforce(caller, 'identity:list_trusts_for_trustee', { userId: trustee });
    const { rows, next } = await listRows<TrustRow>(this.db, trustList, query, this.settings.listLimit, [sql`(trusts.expires_at is null or trusts.expires_at > ${Date.now() * 1000})`]);
    return envelope(request, 'trusts', rows.map((row) => trustView(row, request)), next);
  }

  @Post() @HttpCode(201)
  async create(@ValidBody(TrustCreate) { trust }: TrustCreate, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    if (trust.trustor_user_id !== caller.user.id) throw forbidden('The authenticated user should match the trustor.');
    refuseDelegated(caller, 'identity:create_trust');
    if (trust.allow_redelegation || trust.redelegation_count) throw forbidden('Redelegation of trusts is not allowed.');
    const expiresAt = readExpiry(trust.expires_at, Date.now());
    await findRow<UserRow>(this.db, 'users', 'user', trust.trustee_user_id);
    const roles = await this.lent(caller, trust);
    const row: TrustRow = {
      id: newHexId(), trustor_user_id: trust.trustor_user_id, trustee_user_id: trust.trustee_user_id, project_id: trust.project_id ?? null,
      impersonation: trust.impersonation, expires_at: expiresAt, remaining_uses: trust.remaining_uses ?? null, extra: JSON.stringify(extraOf(trust, TRUST_ATTRIBUTES)),
    };
    await storing(inTransaction(this.db, async (trx) => {
      await trx.insertInto('trusts').values(row).execute();
      if (roles.length > 0) await trx.insertInto('trust_roles').values(roles.map((id) => ({ trust_id: row.id, role_id: id }))).execute();
    }), '');
    return { trust: trustView(row, request, await rolesOfTrust(this.db, row.id)) };
  }

  @Get(':id')
  async show(@Param('id') id: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    return { trust: trustView(await this.seen(caller, 'identity:get_trust', id), request, await rolesOfTrust(this.db, id)) };
  }

  @Delete(':id') @HttpCode(204)
  async delete(@Param('id') id: string, @Caller() caller: RequestContext): Promise<void> {
    const trust = await this.seen(caller, 'identity:get_trust', id);
    this.policy.enforce(caller, 'identity:delete_trust', { userId: trust.trustor_user_id });
    await this.revoker.transaction(async (trx, revoke) => {
      await trx.deleteFrom('trusts').where('id', '=', id).execute();
      // Every token of the trust carries its id as last audit id.
      revoke({ auditId: id });
    });
  }

  @Get(':id/roles')
  async roles(@Param('id') id: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    await this.seen(caller, 'identity:list_roles_for_trust', id);
    return envelope(request, 'roles', (await rolesOfTrust(this.db, id)).map((role) => roleView(role, request)));
  }

  /** HEAD comes here too. */
  @Get(':id/roles/:roleId')
  async role(@Param('id') id: string, @Param('roleId') roleId: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    await this.seen(caller, 'identity:get_role_for_trust', id);
    const role: RoleRow | undefined = (await rolesOfTrust(this.db, id)).find((candidate) => candidate.id === roleId);
    if (!role) throw missing('role', roleId);
    return { role: roleView(role, request) };
  }

  /** A living trust for its two users and whoever may see all; to others it does not exist. */
  private async seen(caller: RequestContext, rule: string, id: string): Promise<TrustRow> {
    const row = await this.db.selectFrom('trusts').selectAll().where('id', '=', id).executeTakeFirst();
    if (!row || !isAlive(row)) throw notFound(`Could not find trust: ${id}.`);
    if (![row.trustor_user_id, row.trustee_user_id].some((userId) => this.policy.allows(caller, rule, { userId }))) this.policy.enforce(caller, rule, { userId: row.trustor_user_id });
    return row;
  }

  /** Ids of the roles that are lent: held by the trustor in the project, at least one. */
  private async lent(caller: RequestContext, trust: TrustCreate['trust']): Promise<string[]> {
    const asked = trust.roles ?? [];
    if (!trust.project_id) {
      if (asked.length > 0) throw badRequest('Roles of a trust need a project_id.');
      return [];
    }
    if (asked.length === 0) throw forbidden('At least one role should be specified.');
    const held = (await findGrants(this.db, caller.user.id, { kind: 'project', id: trust.project_id }))?.roles ?? [];
    const chosen = asked.map(({ id, name }) => {
      const role = held.find((candidate) => (id !== undefined ? candidate.id === id : candidate.name === name));
      if (!role) throw notFound(`Could not find role: ${(id ?? name ?? '').slice(0, 255)}.`);
      return role.id;
    });
    return [...new Set(chosen)];
  }
}
