import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Put } from '@nestjs/common';
import { Type } from '@sinclair/typebox';
import { badRequest, forbidden, notFound, type RequestContext } from '@virga/core';
import { inTransaction, type Kysely } from '@virga/db';
import { Authenticated, Caller, PolicyEnforcer } from '@virga/rest';
import { readInput, unwrapBody, type Attributes } from '../api/attributes';
import type { NetworkSchema } from '../db/tables';
import { limitsOf, QUOTAS, usageOf, type QuotaResource } from './quota-limits';

export const QUOTA_DB = Symbol('virga.network.quota-db');
const RESOURCES = Object.keys(QUOTAS) as QuotaResource[];
const DEFAULTS = Object.fromEntries(RESOURCES.map((resource) => [resource, QUOTAS[resource].limit]));
/** -1 is without limit. */
const ATTRIBUTES: Attributes = Object.fromEntries(RESOURCES.map((resource) => [resource, { schema: Type.Integer({ minimum: -1, maximum: 2_147_483_647 }), in: 'put' as const }]));

/** A project may see its own quotas; the rules are asked for the project in the path. */
@Controller('v2.0/quotas')
@Authenticated()
export class QuotaController {
  constructor(@Inject(QUOTA_DB) private readonly db: Kysely<NetworkSchema>, @Inject(PolicyEnforcer) private readonly policy: PolicyEnforcer) {}

  /** Projects whose quotas are not the default ones. */
  @Get()
  async list(@Caller() caller: RequestContext) {
    this.enforce(caller, 'update_quota', '');
    const rows = await this.db.selectFrom('quotas').select('project_id').distinct().orderBy('project_id').execute();
    return { quotas: await Promise.all(rows.map(async ({ project_id }) => ({ ...(await limitsOf(this.db, project_id)), project_id, tenant_id: project_id }))) };
  }

  @Get(':project')
  async show(@Caller() caller: RequestContext, @Param('project') project: string) {
    this.enforce(caller, 'get_quota', project);
    return { quota: await limitsOf(this.db, project) };
  }

  @Get(':project/default')
  defaults(@Caller() caller: RequestContext, @Param('project') project: string) {
    this.enforce(caller, 'get_quota', project);
    return { quota: DEFAULTS };
  }

  @Get(':project/details')
  details(@Caller() caller: RequestContext, @Param('project') project: string) {
    return this.detailsJson(caller, project);
  }

  @Get(':project/details.json')
  async detailsJson(@Caller() caller: RequestContext, @Param('project') project: string) {
    this.enforce(caller, 'get_quota', project);
    const limits = await limitsOf(this.db, project);
    const entries = RESOURCES.map(async (resource) => [resource, { limit: limits[resource], used: await usageOf(this.db, resource, project), reserved: 0 }]);
    return { quota: Object.fromEntries(await Promise.all(entries)) };
  }

  @Put(':project')
  async update(@Caller() caller: RequestContext, @Param('project') project: string, @Body() body: unknown) {
    this.enforce(caller, 'update_quota', project);
    if (project.length > 64) throw badRequest('The project id is too long.', { type: 'HTTPBadRequest' });
    const { force: _force, ...given } = unwrapBody(body, 'quota');
    const limits = readInput(ATTRIBUTES, given, 'put') as Record<string, number>;
    await inTransaction(this.db, async (trx) => {
      for (const [resource, amount] of Object.entries(limits)) {
        await trx.insertInto('quotas').values({ project_id: project, resource, amount }).onDuplicateKeyUpdate({ amount }).execute();
      }
    });
    return { quota: await limitsOf(this.db, project) };
  }

  @Delete(':project')
  @HttpCode(204)
  async remove(@Caller() caller: RequestContext, @Param('project') project: string): Promise<void> {
    this.enforce(caller, 'delete_quota', project);
    const { numDeletedRows } = await this.db.deleteFrom('quotas').where('project_id', '=', project).executeTakeFirst();
    if (numDeletedRows === 0n) throw notFound(`Quota for tenant ${project} could not be found.`, { type: 'TenantQuotaNotFound' });
  }

  private enforce(caller: RequestContext, rule: string, projectId: string): void {
    if (!this.policy.allows(caller, rule, { projectId })) throw forbidden(`rule:${rule} is disallowed by policy`, { type: 'PolicyNotAuthorized' });
  }
}
