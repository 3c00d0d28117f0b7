import { Controller, Delete, Get, HttpCode, Inject, Param, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { forbidden, type RequestContext } from '@virga/core';
import { isForeignKeyViolation, sql } from '@virga/db';
import { Authenticated, Caller, PolicyEnforcer, ValidQuery } from '@virga/rest';
import { envelope, listRows, type ListSpec, type Query } from '../collection/list';
import { missing } from '../collection/rows';
import { AnyQuery } from '../collection/schema-parts';
import type { AccessRuleRow } from '../db/delegation-tables';
import type { Db } from '../db/tables';
import { CONFIG, DATABASE, ENFORCER, type Settings } from '../injection';
import { refuseDelegated } from '../trusts/refuse-delegated';
import { accessRuleWithLinks } from './access-rule';

const ruleList: ListSpec = {
  table: 'access_rules', columns: ['id', 'user_id', 'service', 'method', 'path'], exact: { service: 'service', method: 'method', path: 'path' },
};

/** The requests that a user's application credentials may be limited to. The rule needs the user of the path, so it is enforced inside. */
@Controller('v3/users/:userId/access_rules') @Authenticated()
export class AccessRulesController {
  constructor(@Inject(DATABASE) private readonly db: Db, @Inject(CONFIG) private readonly settings: Settings, @Inject(ENFORCER) private readonly policy: PolicyEnforcer) {}

  @Get()
  async list(@Param('userId') userId: string, @ValidQuery(AnyQuery) query: Query, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    this.policy.enforce(caller, 'identity:list_access_rules', { userId });
    const { rows, next } = await listRows<AccessRuleRow>(this.db, ruleList, query, this.settings.listLimit, [sql`access_rules.user_id = ${userId}`]);
    return envelope(request, 'access_rules', rows.map((row) => accessRuleWithLinks(row, request)), next);
  }

  @Get(':id')
  async show(@Param('userId') userId: string, @Param('id') id: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    this.policy.enforce(caller, 'identity:get_access_rule', { userId });
    const row = await this.db.selectFrom('access_rules').selectAll().where('id', '=', id).where('user_id', '=', userId).executeTakeFirst();
    if (!row) throw missing('Access Rule', id);
    return { access_rule: accessRuleWithLinks(row, request) };
  }

  @Delete(':id') @HttpCode(204)
  async delete(@Param('userId') userId: string, @Param('id') id: string, @Caller() caller: RequestContext): Promise<void> {
    this.policy.enforce(caller, 'identity:delete_access_rule', { userId });
    refuseDelegated(caller, 'identity:delete_access_rule');
    try {
      const result = await this.db.deleteFrom('access_rules').where('id', '=', id).where('user_id', '=', userId).executeTakeFirst();
      if (result.numDeletedRows === 0n) throw missing('Access Rule', id);
    } catch (error) {
      if (isForeignKeyViolation(error)) throw forbidden('You are not authorized to perform the requested action: access rule in use by an application credential.');
      throw error;
    }
  }
}
