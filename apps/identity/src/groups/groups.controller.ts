import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Put, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { badRequest, newHexId, notFound, type RequestContext } from '@virga/core';
import { inTransaction, sql } from '@virga/db';
import { Authenticated, Caller, PolicyEnforcer, ValidBody, ValidQuery } from '@virga/rest';
import { allowedRow } from '../collection/allowed-row';
import { envelope, listRows, single, type Query } from '../collection/list';
import { checkSameId, defined, extraOf, findRow, holdRow, lockRow, mergedExtra, storing } from '../collection/rows';
import { AnyQuery } from '../collection/schema-parts';
import type { Db, GroupRow, Trx, UserRow } from '../db/tables';
import { CONFIG, DATABASE, ENFORCER, type Settings } from '../injection';
import { refuseTakeOver } from '../role-assignments/powerful';
import { Revoker, type Revoke } from '../revocations/revoker';
import { userList, userView, type VisibleUser } from '../users/user';
import { GROUP_ATTRIBUTES, GroupCreate, groupList, GroupUpdate, groupView } from './group';

const taken = (name: string, domainId: string) => `Conflict occurred attempting to store group - Duplicate entry found with name ${name} at domain ID ${domainId}.`;

/** Rules depend on the group's domain, so they are enforced inside. */
@Controller('v3/groups') @Authenticated()
export class GroupsController {
  constructor(
    @Inject(DATABASE) private readonly db: Db,
    @Inject(CONFIG) private readonly settings: Settings,
    @Inject(ENFORCER) private readonly policy: PolicyEnforcer,
    @Inject(Revoker) private readonly revoker: Revoker,
  ) {}

  @Get()
  async list(@ValidQuery(AnyQuery) query: Query, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    this.policy.enforce(caller, 'identity:list_groups', { domainId: single(query['domain_id']) ?? caller.domain?.id });
    const own = caller.domain && !caller.roleNames.has('admin') ? [sql`${sql.ref('groups.domain_id')} = ${caller.domain.id}`] : [];
    const { rows, next } = await listRows<GroupRow>(this.db, groupList, query, this.settings.listLimit, own);
    return envelope(request, 'groups', rows.map((row) => groupView(row, request)), next);
  }

  @Post() @HttpCode(201)
  async create(@ValidBody(GroupCreate) { group }: GroupCreate, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    const domainId = group.domain_id ?? caller.domain?.id ?? caller.project?.domain.id ?? 'default';
    this.policy.enforce(caller, 'identity:create_group', { domainId });
    const row: GroupRow = {
      id: newHexId(), domain_id: domainId, name: group.name, description: group.description ?? '', extra: JSON.stringify(extraOf(group, GROUP_ATTRIBUTES)),
    };
    await storing(inTransaction(this.db, async (trx) => {
      await holdRow(trx, 'domains', 'domain', domainId);
      await trx.insertInto('groups').values(row).execute();
    }), taken(group.name, domainId));
    return { group: groupView(row, request) };
  }

  @Get(':id')
  async show(@Param('id') id: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    return { group: groupView(await this.allowed(caller, 'identity:get_group', id), request) };
  }

  @Patch(':id')
  async update(@Param('id') id: string, @ValidBody(GroupUpdate) { group }: GroupUpdate, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    const row = await this.allowed(caller, 'identity:update_group', id);
    checkSameId('group', id, group);
    if (group.domain_id !== undefined && group.domain_id !== row.domain_id) throw badRequest('Cannot change Domain ID');
    await storing(this.db.updateTable('groups').where('id', '=', id).set({
      ...defined({ name: group.name }), ...(group.description !== undefined && { description: group.description ?? '' }),
      extra: mergedExtra(row.extra, group, GROUP_ATTRIBUTES),
    }).execute(), taken(group.name ?? '', row.domain_id));
    return { group: groupView(await findRow<GroupRow>(this.db, 'groups', 'group', id), request) };
  }

  @Delete(':id') @HttpCode(204)
  async delete(@Param('id') id: string, @Caller() caller: RequestContext): Promise<void> {
    await this.allowed(caller, 'identity:delete_group', id);
    await refuseTakeOver(this.db, caller, 'identity:delete_group', 'group', id);
    await this.revoker.transaction(async (trx, revoke) => {
      await lockRow(trx, 'groups', 'group', id);
      await revokeMembers(trx, revoke, id);
      await trx.deleteFrom('role_assignments').where('actor_type', '=', 'group').where('actor_id', '=', id).execute();
      await trx.deleteFrom('groups').where('id', '=', id).execute();
    });
  }

  @Get(':id/users')
  async users(@Param('id') id: string, @ValidQuery(AnyQuery) query: Query, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    await this.allowed(caller, 'identity:list_users_in_group', id);
    const member = sql`users.id in (select m.user_id from group_members m where m.group_id = ${id})`;
    const { rows, next } = await listRows<VisibleUser>(this.db, userList, query, this.settings.listLimit, [member]);
    return envelope(request, 'users', rows.map((row) => userView(row, request)), next);
  }

  @Put(':id/users/:userId') @HttpCode(204)
  async addUser(@Param('id') id: string, @Param('userId') userId: string, @Caller() caller: RequestContext): Promise<void> {
    await this.allowedBoth(caller, 'identity:add_user_to_group', id, userId);
    await refuseTakeOver(this.db, caller, 'identity:add_user_to_group', 'group', id);
    await storing(this.db.insertInto('group_members').ignore().values({ group_id: id, user_id: userId }).execute(), '', `Could not find group: ${id}.`);
  }

  @Get(':id/users/:userId') @HttpCode(204)
  async hasUser(@Param('id') id: string, @Param('userId') userId: string, @Caller() caller: RequestContext): Promise<void> {
    await this.allowedBoth(caller, 'identity:check_user_in_group', id, userId);
    const row = await this.db.selectFrom('group_members').select('user_id').where('group_id', '=', id).where('user_id', '=', userId).executeTakeFirst();
    if (!row) throw noMember(userId, id);
  }

  @Delete(':id/users/:userId') @HttpCode(204)
  async removeUser(@Param('id') id: string, @Param('userId') userId: string, @Caller() caller: RequestContext): Promise<void> {
    await this.allowedBoth(caller, 'identity:remove_user_from_group', id, userId);
    await refuseTakeOver(this.db, caller, 'identity:remove_user_from_group', 'group', id);
    await this.revoker.transaction(async (trx, revoke) => {
      const result = await trx.deleteFrom('group_members').where('group_id', '=', id).where('user_id', '=', userId).executeTakeFirst();
      if (result.numDeletedRows === 0n) throw noMember(userId, id);
      revoke({ userId });
    });
  }

  private allowed(caller: RequestContext, rule: string, id: string): Promise<GroupRow> {
    return allowedRow<GroupRow>(this.db, this.policy, caller, rule, { table: 'groups', noun: 'group', id, target: ({ domain_id: domainId }) => ({ domainId }) });
  }

  /** A manager of one domain reaches neither users nor groups of another. */
  private async allowedBoth(caller: RequestContext, rule: string, id: string, userId: string): Promise<void> {
    await this.allowed(caller, rule, id);
    await allowedRow<UserRow>(this.db, this.policy, caller, rule, { table: 'users', noun: 'user', id: userId, target: ({ domain_id: domainId }) => ({ domainId }) });
  }
}

const noMember = (userId: string, groupId: string) => notFound(`User '${userId}' not found in group '${groupId}'.`);

/** Voids the tokens of everyone in the group, when the group held any role. */
async function revokeMembers(trx: Trx, revoke: Revoke, groupId: string): Promise<void> {
  const assignment = await trx.selectFrom('role_assignments').select('role_id').where('actor_type', '=', 'group').where('actor_id', '=', groupId).limit(1).executeTakeFirst();
  if (!assignment) return;
  const members = await trx.selectFrom('group_members').select('user_id').where('group_id', '=', groupId).execute();
  for (const { user_id: userId } of members) revoke({ userId });
}
