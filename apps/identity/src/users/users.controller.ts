import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { forbidden, unauthorized, type RequestContext } from '@virga/core';
import { inTransaction, sql } from '@virga/db';
import { Authenticated, Caller, PolicyEnforcer, Public, ValidBody, ValidQuery } from '@virga/rest';
import { REJECTED } from '../auth/read-scope';
import { findLoginUser, isUsable } from '../auth/find-user';
import { allowedRow } from '../collection/allowed-row';
import { envelope, listRows, single, type Query } from '../collection/list';
import { checkSameId, findRow, parseObject, storing } from '../collection/rows';
import { AnyQuery } from '../collection/schema-parts';
import type { Db, GroupRow, ProjectRow, UserRow } from '../db/tables';
import { groupList, groupView } from '../groups/group';
import { CONFIG, DATABASE, ENFORCER, type Settings } from '../injection';
import { PasswordHasher } from '../passwords/password-hash';
import { projectList, projectViews } from '../projects/project';
import { refuseTakeOver } from '../role-assignments/powerful';
import { projectsOfUser } from '../role-assignments/reachable';
import { Revoker } from '../revocations/revoker';
import { PasswordChange, UserCreate, userList, UserUpdate, userView, type VisibleUser } from './user';
import { deleteUser, insertUser, updateUser, userTaken } from './write-user';

/** Rules depend on the user's domain and on who it is, so they are enforced inside. */
@Controller('v3/users') @Authenticated()
export class UsersController {
  constructor(
    @Inject(DATABASE) private readonly db: Db,
    @Inject(CONFIG) private readonly settings: Settings,
    @Inject(ENFORCER) private readonly policy: PolicyEnforcer,
    @Inject(Revoker) private readonly revoker: Revoker,
    @Inject(PasswordHasher) private readonly hasher: PasswordHasher,
  ) {}

  @Get()
  async list(@ValidQuery(AnyQuery) query: Query, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    this.policy.enforce(caller, 'identity:list_users', { domainId: single(query['domain_id']) ?? caller.domain?.id });
    const own = caller.domain && !caller.roleNames.has('admin') ? [sql`users.domain_id = ${caller.domain.id}`] : [];
    const { rows, next } = await listRows<VisibleUser>(this.db, userList, query, this.settings.listLimit, own);
    return envelope(request, 'users', rows.map((row) => userView(row, request)), next);
  }

  @Post() @HttpCode(201)
  async create(@ValidBody(UserCreate) { user }: UserCreate, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    const domainId = user.domain_id ?? caller.domain?.id ?? caller.project?.domain.id ?? 'default';
    this.policy.enforce(caller, 'identity:create_user', { domainId });
    const hash = typeof user.password === 'string' ? await this.hasher.hash(user.password) : null;
    const row = await storing(inTransaction(this.db, (trx) => insertUser(trx, user, domainId, hash)), userTaken(user.name, domainId));
    return { user: userView(row, request) };
  }

  @Get(':id')
  async show(@Param('id') id: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    return { user: userView(await this.allowed(caller, 'identity:get_user', id), request) };
  }

  @Patch(':id')
  async update(@Param('id') id: string, @ValidBody(UserUpdate) { user }: UserUpdate, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    const { domain_id } = await this.allowed(caller, 'identity:update_user', id);
    await refuseTakeOver(this.db, caller, 'identity:update_user', 'user', id);
    checkSameId('user', id, user);
    const hash = typeof user.password === 'string' ? await this.hasher.hash(user.password) : user.password;
    await storing(this.revoker.transaction((trx, revoke) => updateUser(trx, revoke, id, user, hash)), userTaken(user.name ?? '', domain_id));
    return { user: userView(await findRow<UserRow>(this.db, 'users', 'user', id), request) };
  }

  @Delete(':id') @HttpCode(204)
  async delete(@Param('id') id: string, @Caller() caller: RequestContext): Promise<void> {
    await this.allowed(caller, 'identity:delete_user', id);
    await refuseTakeOver(this.db, caller, 'identity:delete_user', 'user', id);
    await this.revoker.transaction((trx, revoke) => deleteUser(trx, revoke, id));
  }

  /** The original password is the proof, so that a user whose password must be changed needs no token. */
  @Post(':id/password') @Public() @HttpCode(204)
  async changePassword(@Param('id') id: string, @ValidBody(PasswordChange) { user }: PasswordChange): Promise<void> {
    const known = await findLoginUser(this.db, { id });
    const right = await this.hasher.verify(user.original_password, known?.password_hash);
    if (!known || !right || !isUsable(known)) throw unauthorized(REJECTED);
    const hash = await this.hasher.hash(user.password);
    await this.revoker.transaction(async (trx, revoke) => {
      const row = await findRow<UserRow>(trx, 'users', 'user', id);
      if (parseObject(row.options)['lock_password'] === true) throw forbidden('The password of this user is locked.');
      // Only over the password that was proven: of two changes at once the second is told so.
      const result = await trx.updateTable('users').set({ password_hash: hash }).where('id', '=', id).where('password_hash', '=', known.password_hash).executeTakeFirst();
      if (result.numUpdatedRows === 0n) throw unauthorized(REJECTED);
      revoke({ userId: id });
    });
  }

  @Get(':id/groups')
  async groups(@Param('id') id: string, @ValidQuery(AnyQuery) query: Query, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    await this.allowed(caller, 'identity:list_groups_for_user', id);
    const member = sql`${sql.ref('groups.id')} in (select m.group_id from group_members m where m.user_id = ${id})`;
    const { rows, next } = await listRows<GroupRow>(this.db, groupList, query, this.settings.listLimit, [member]);
    return envelope(request, 'groups', rows.map((row) => groupView(row, request)), next);
  }

  @Get(':id/projects')
  async projects(@Param('id') id: string, @ValidQuery(AnyQuery) query: Query, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    await this.allowed(caller, 'identity:list_user_projects', id);
    const { rows, next } = await listRows<ProjectRow>(this.db, projectList, query, this.settings.listLimit, [sql`projects.id in (${projectsOfUser(id)})`]);
    return envelope(request, 'projects', await projectViews(this.db, rows, request), next);
  }

  private allowed(caller: RequestContext, rule: string, id: string): Promise<UserRow> {
    return allowedRow<UserRow>(this.db, this.policy, caller, rule, { table: 'users', noun: 'user', id, target: ({ domain_id: domainId }) => ({ userId: id, domainId }) });
  }
}
