import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { badRequest, forbidden, newHexId, type RequestContext } from '@virga/core';
import { inTransaction, sql } from '@virga/db';
import { Authenticated, Authorize, Caller, PolicyEnforcer, ValidBody, ValidQuery } from '@virga/rest';
import { envelope, listRows, single, type Query } from '../collection/list';
import { checkSameId, defined, extraOf, findRow, holdRow, isImmutable, mergedExtra, mergedOptions, storing } from '../collection/rows';
import { AnyQuery } from '../collection/schema-parts';
import type { Db, RoleRow } from '../db/tables';
import { CONFIG, DATABASE, ENFORCER, type Settings } from '../injection';
import { Revoker } from '../revocations/revoker';
import { revokeHolders } from './revoke-holders';
import { ROLE_ATTRIBUTES, RoleCreate, roleList, RoleUpdate, roleView } from './role';

const taken = (name: string) => `Conflict occurred attempting to store role - Duplicate entry found with name ${name}.`;

@Controller('v3/roles')
export class RolesController {
  constructor(
    @Inject(DATABASE) private readonly db: Db,
    @Inject(CONFIG) private readonly settings: Settings,
    @Inject(ENFORCER) private readonly policy: PolicyEnforcer,
    @Inject(Revoker) private readonly revoker: Revoker,
  ) {}

  /** Global roles, or those of the domain that is named; the rule depends on which. */
  @Get() @Authenticated()
  async list(@ValidQuery(AnyQuery) query: Query, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    const domainId = single(query['domain_id']) ?? '';
    this.policy.enforce(caller, domainId === '' ? 'identity:list_roles' : 'identity:list_domain_roles');
    const { rows, next } = await listRows<RoleRow>(this.db, roleList, query, this.settings.listLimit, [sql`roles.domain_id = ${domainId}`]);
    return envelope(request, 'roles', rows.map((row) => roleView(row, request)), next);
  }

  @Post() @Authorize('identity:create_role') @HttpCode(201)
  async create(@ValidBody(RoleCreate) { role }: RoleCreate, @Req() request: FastifyRequest) {
    const row: RoleRow = {
      id: newHexId(), name: role.name, domain_id: role.domain_id ?? '', description: role.description ?? null,
      options: mergedOptions('{}', role.options), extra: JSON.stringify(extraOf(role, ROLE_ATTRIBUTES)),
    };
    await storing(inTransaction(this.db, async (trx) => {
      if (row.domain_id !== '') await holdRow(trx, 'domains', 'domain', row.domain_id);
      await trx.insertInto('roles').values(row).execute();
    }), taken(role.name));
    return { role: roleView(row, request) };
  }

  @Get(':id') @Authorize('identity:get_role')
  async show(@Param('id') id: string, @Req() request: FastifyRequest) {
    return { role: roleView(await findRow<RoleRow>(this.db, 'roles', 'role', id), request) };
  }

  /** Tokens carry role names, so another name voids the tokens of its holders. */
  @Patch(':id') @Authorize('identity:update_role')
  async update(@Param('id') id: string, @ValidBody(RoleUpdate) { role }: RoleUpdate, @Req() request: FastifyRequest) {
    checkSameId('role', id, role);
    const work = this.revoker.transaction(async (trx, revoke) => {
      const row = await findRow<RoleRow>(trx, 'roles', 'role', id);
      if (isImmutable(row.options) && role.options?.immutable !== false) {
        throw forbidden(`Unable to update immutable role resource: \`${id}. Set resource option "immutable" to false first.`);
      }
      if (role.domain_id !== undefined && (role.domain_id ?? '') !== row.domain_id) throw badRequest('Cannot change Domain ID');
      const changed: RoleRow = {
        ...row, ...defined({ name: role.name, description: role.description }),
        options: mergedOptions(row.options, role.options), extra: mergedExtra(row.extra, role, ROLE_ATTRIBUTES),
      };
      await trx.updateTable('roles').where('id', '=', id).set(changed).execute();
      if (changed.name !== row.name) await revokeHolders(trx, revoke, id);
      return changed;
    });
    return { role: roleView(await storing(work, taken(role.name ?? '')), request) };
  }

  @Delete(':id') @Authorize('identity:delete_role') @HttpCode(204)
  async delete(@Param('id') id: string): Promise<void> {
    await this.revoker.transaction(async (trx, revoke) => {
      const row = await findRow<RoleRow>(trx, 'roles', 'role', id);
      if (isImmutable(row.options)) throw forbidden(`Unable to delete immutable role resource: \`${id}. Set resource option "immutable" to false first.`);
      await revokeHolders(trx, revoke, id);
      await trx.deleteFrom('roles').where('id', '=', id).execute();
    });
  }
}
