import { Controller, Delete, Get, Head, HttpCode, Inject, Param, Put, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { forbidden, notFound } from '@virga/core';
import { Authorize } from '@virga/rest';
import { selfLink } from '../collection/list';
import { findRow, storing } from '../collection/rows';
import type { Db, RoleRow } from '../db/tables';
import { DATABASE } from '../injection';
import { Revoker } from '../revocations/revoker';
import { revokeHolders } from './revoke-holders';
import { impliedView } from './role';

/** Nothing may imply it: whoever can give the prior role could make admins. Nor may a global role imply one of a domain. */
const PROHIBITED = 'admin';

@Controller('v3')
export class ImpliedRolesController {
  constructor(@Inject(DATABASE) private readonly db: Db, @Inject(Revoker) private readonly revoker: Revoker) {}

  @Get('role_inferences') @Authorize('identity:list_role_inference_rules')
  async all(@Req() request: FastifyRequest) {
    const roles = new Map((await this.db.selectFrom('roles').selectAll().execute()).map((role) => [role.id, role]));
    const implied = new Map<string, string[]>();
    for (const row of await this.db.selectFrom('implied_roles').selectAll().orderBy('prior_role_id').orderBy('implied_role_id').execute()) {
      implied.set(row.prior_role_id, [...(implied.get(row.prior_role_id) ?? []), row.implied_role_id]);
    }
    return {
      role_inferences: [...implied].map(([prior, ids]) => ({
        prior_role: impliedView(roles.get(prior)!, request), implies: ids.map((id) => impliedView(roles.get(id)!, request)),
      })),
      links: selfLink(request, 'role_inferences'),
    };
  }

  @Get('roles/:prior/implies') @Authorize('identity:list_implied_roles')
  async list(@Param('prior') prior: string, @Req() request: FastifyRequest) {
    const role = await findRow<RoleRow>(this.db, 'roles', 'role', prior);
    const implied = await this.db.selectFrom('implied_roles').innerJoin('roles', 'roles.id', 'implied_roles.implied_role_id').selectAll('roles')
      .where('prior_role_id', '=', prior).orderBy('roles.id').execute();
    return {
      role_inference: { prior_role: impliedView(role, request), implies: implied.map((row) => impliedView(row, request)) },
      links: selfLink(request, `roles/${prior}/implies`),
    };
  }

  @Head('roles/:prior/implies/:implied') @Authorize('identity:get_implied_role') @HttpCode(204)
  async check(@Param('prior') prior: string, @Param('implied') implied: string): Promise<void> {
    await this.find(prior, implied);
  }

  @Get('roles/:prior/implies/:implied') @Authorize('identity:get_implied_role')
  async show(@Param('prior') prior: string, @Param('implied') implied: string, @Req() request: FastifyRequest) {
    const view = await this.view(prior, implied, request);
    await this.find(prior, implied);
    return view;
  }

  @Put('roles/:prior/implies/:implied') @Authorize('identity:create_implied_role') @HttpCode(201)
  async create(@Param('prior') prior: string, @Param('implied') implied: string, @Req() request: FastifyRequest) {
    const view = await this.view(prior, implied, request);
    const [priorRole, impliedRole] = [await findRow<RoleRow>(this.db, 'roles', 'role', prior), await findRow<RoleRow>(this.db, 'roles', 'role', implied)];
    if (impliedRole.domain_id === '' ? impliedRole.name === PROHIBITED : priorRole.domain_id === '') throw forbidden(`${implied} cannot be an implied roles`);
    await storing(this.db.insertInto('implied_roles').ignore().values({ prior_role_id: prior, implied_role_id: implied }).execute(), '', `Could not find role: ${implied}.`);
    return view;
  }

  @Delete('roles/:prior/implies/:implied') @Authorize('identity:delete_implied_role') @HttpCode(204)
  async delete(@Param('prior') prior: string, @Param('implied') implied: string): Promise<void> {
    await this.revoker.transaction(async (trx, revoke) => {
      const result = await trx.deleteFrom('implied_roles').where('prior_role_id', '=', prior).where('implied_role_id', '=', implied).executeTakeFirst();
      if (result.numDeletedRows === 0n) throw noImplication(prior, implied);
      await revokeHolders(trx, revoke, prior);
    });
  }

  private async find(prior: string, implied: string): Promise<void> {
    const row = await this.db.selectFrom('implied_roles').selectAll().where('prior_role_id', '=', prior).where('implied_role_id', '=', implied).executeTakeFirst();
    if (!row) throw noImplication(prior, implied);
  }

  private async view(prior: string, implied: string, request: FastifyRequest) {
    const [priorRole, impliedRole] = [await findRow<RoleRow>(this.db, 'roles', 'role', prior), await findRow<RoleRow>(this.db, 'roles', 'role', implied)];
    return {
      role_inference: { prior_role: impliedView(priorRole, request), implies: impliedView(impliedRole, request) },
      links: selfLink(request, `roles/${prior}/implies/${implied}`),
    };
  }
}

const noImplication = (prior: string, implied: string) => notFound(`${prior} does not imply ${implied}`);
