import { Controller, Delete, Get, HttpCode, Inject, Param, Put, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { RequestContext } from '@virga/core';
import { inTransaction } from '@virga/db';
import { Authenticated, Caller, PolicyEnforcer } from '@virga/rest';
import { envelope } from '../collection/list';
import { findRow, storing } from '../collection/rows';
import type { Db, Exec, RoleRow } from '../db/tables';
import { DATABASE, ENFORCER } from '../injection';
import { roleView } from '../roles/role';
import { Revoker } from '../revocations/revoker';
import { checkRole, enforceGrant, holdPlace, noAssignment, placeOf, revokeGranted, type GrantPlace } from './grant';

const PLACES = [
  'projects/:targetId/users/:actorId', 'projects/:targetId/groups/:actorId', 'domains/:targetId/users/:actorId', 'domains/:targetId/groups/:actorId',
];
const LISTS = [
  ...[...PLACES, 'system/users/:actorId', 'system/groups/:actorId'].map((place) => `${place}/roles`),
  ...PLACES.map((place) => `OS-INHERIT/${place}/roles/inherited_to_projects`),
];
const ITEMS = [
  ...[...PLACES, 'system/users/:actorId', 'system/groups/:actorId'].map((place) => `${place}/roles/:roleId`),
  ...PLACES.map((place) => `OS-INHERIT/${place}/roles/:roleId/inherited_to_projects`),
];

/** Roles of a user or group on a project, a domain or the system. The rule depends on both, so it is enforced inside. */
@Controller('v3') @Authenticated()
export class GrantsController {
  constructor(
    @Inject(DATABASE) private readonly db: Db, @Inject(ENFORCER) private readonly policy: PolicyEnforcer, @Inject(Revoker) private readonly revoker: Revoker,
  ) {}

  @Get(LISTS)
  async list(@Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    const place = placeOf(request);
    await enforceGrant(this.db, this.policy, caller, 'list', place);
    const rows = await this.assignments(this.db, place).innerJoin('roles', 'roles.id', 'role_assignments.role_id').selectAll('roles').orderBy('roles.id').execute();
    return envelope(request, 'roles', rows.map((row) => roleView(row, request)));
  }

  @Get(ITEMS) @HttpCode(204)
  async check(@Param('roleId') roleId: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest): Promise<void> {
    const place = placeOf(request);
    await enforceGrant(this.db, this.policy, caller, 'check', place);
    await findRow(this.db, 'roles', 'role', roleId);
    const row = await this.assignments(this.db, place).select('role_id').where('role_id', '=', roleId).executeTakeFirst();
    if (!row) throw noAssignment(place, roleId);
  }

  @Put(ITEMS) @HttpCode(204)
  async create(@Param('roleId') roleId: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest): Promise<void> {
    const place = placeOf(request);
    const domainId = await enforceGrant(this.db, this.policy, caller, 'create', place);
    checkRole(caller, await findRow<RoleRow>(this.db, 'roles', 'role', roleId), 'create', domainId);
    await storing(inTransaction(this.db, async (trx) => {
      await holdPlace(trx, place);
      await trx.insertInto('role_assignments').ignore().values({
        target_type: place.targetType, target_id: place.targetId, actor_type: place.actorType, actor_id: place.actorId, role_id: roleId, inherited: place.inherited,
      }).execute();
    }), '', `Could not find role: ${roleId}.`);
  }

  @Delete(ITEMS) @HttpCode(204)
  async revoke(@Param('roleId') roleId: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest): Promise<void> {
    const place = placeOf(request);
    const domainId = await enforceGrant(this.db, this.policy, caller, 'revoke', place);
    checkRole(caller, await findRow<RoleRow>(this.db, 'roles', 'role', roleId), 'revoke', domainId);
    await this.revoker.transaction(async (trx, revoke) => {
      const result = await trx.deleteFrom('role_assignments').where('target_type', '=', place.targetType).where('target_id', '=', place.targetId)
        .where('actor_type', '=', place.actorType).where('actor_id', '=', place.actorId).where('inherited', '=', place.inherited)
        .where('role_id', '=', roleId).executeTakeFirst();
      if (result.numDeletedRows === 0n) throw noAssignment(place, roleId);
      await revokeGranted(trx, revoke, place);
    });
  }

  private assignments(db: Exec, place: GrantPlace) {
    return db.selectFrom('role_assignments').where('target_type', '=', place.targetType).where('target_id', '=', place.targetId)
      .where('actor_type', '=', place.actorType).where('actor_id', '=', place.actorId).where('inherited', '=', place.inherited);
  }
}
