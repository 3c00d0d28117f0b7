import { Controller, Delete, Get, HttpCode, Inject, Param, Put, Query } from '@nestjs/common';
import { badRequest, type RequestContext } from '@virga/core';
import { DEFAULT_QUOTAS, type QuotaLimits, type QuotaResource } from '@virga/domain';
import { Authenticated, Authorize, Caller, ValidBody, Version, type Microversion, type PolicyEnforcer } from '@virga/rest';
import { under } from '../microversions';
import { readBoolean } from '../booleans';
import { countServerGroups } from '../server-groups/server-group.repository';
import { DB, ENFORCER, type Db } from '../tokens';
import { DEFAULT_CLASS, quotaClassKey, readLimits } from './quota-limits';
import { classResourcesAt, resourcesAt, UpdateQuotaClassSet, UpdateQuotaSet, type UpdateQuotaClassSetBody, type UpdateQuotaSetBody } from './quota.schema';

const isOurs = (name: string): name is QuotaResource => Object.hasOwn(DEFAULT_QUOTAS, name);
/** Ids are at most this long, in identity and in every table here. */
const MAX_ID_LENGTH = 64;
const limitOf = (limits: QuotaLimits, name: string): number => (isOurs(name) ? limits[name] : -1);

@Controller(under('os-quota-sets'))
export class QuotaSetsController {
  constructor(@Inject(DB) private readonly db: Db, @Inject(ENFORCER) private readonly policy: PolicyEnforcer) {}

  // The rule looks at the project in the path, so it is checked inside.
  @Get(':project')
  @Authenticated()
  async show(@Param('project') projectId: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion, @Query('user_id') userId?: string) {
    this.policy.enforce(caller, 'os_compute_api:os-quota-sets:show', { projectId });
    const limits = await readLimits(this.db, projectId, userId);
    return { quota_set: { id: projectId, ...Object.fromEntries(resourcesAt(minor).map((name) => [name, limitOf(limits, name)])) } };
  }

  @Get(':project/detail')
  @Authenticated()
  async detail(@Param('project') projectId: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion, @Query('user_id') userId?: string) {
    this.policy.enforce(caller, 'os_compute_api:os-quota-sets:detail', { projectId });
    const limits = await readLimits(this.db, projectId, userId);
    const used = await this.used(projectId);
    return {
      quota_set: { id: projectId, ...Object.fromEntries(resourcesAt(minor).map((name) => [name, { limit: limitOf(limits, name), in_use: used[name] ?? 0, reserved: 0 }])) },
    };
  }

  @Get(':project/defaults')
  @Authenticated()
  async defaults(@Param('project') projectId: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion) {
    this.policy.enforce(caller, 'os_compute_api:os-quota-sets:defaults', { projectId });
    const limits = await readLimits(this.db, DEFAULT_CLASS);
    return { quota_set: { id: projectId, ...Object.fromEntries(resourcesAt(minor).map((name) => [name, limitOf(limits, name)])) } };
  }

  @Put(':project')
  @Authorize('os_compute_api:os-quota-sets:update')
  async update(@Param('project') projectId: string, @Version() { minor }: Microversion, @ValidBody(UpdateQuotaSet) { quota_set: wanted }: UpdateQuotaSetBody, @Query('user_id') userId = '') {
    if (projectId.length > MAX_ID_LENGTH) throw badRequest(`Project ID ${projectId} is not a valid project.`);
    if (userId.length > MAX_ID_LENGTH) throw badRequest(`User ID ${userId} is not a valid user.`);
    const force = readBoolean((wanted.force ?? false) as boolean | string);
    const used = await this.used(projectId);
    const project = await readLimits(this.db, projectId);
    for (const [name, value] of Object.entries(wanted)) {
      if (!isOurs(name)) continue;
      const limit = Number(value);
      if (limit < -1 || limit > 0x7fffffff) throw badRequest(`Quota limit ${limit} for ${name} must be in the range of -1 and 2147483647.`);
      if (!force && limit >= 0 && limit < (used[name] ?? 0)) {
        throw badRequest(`Quota limit ${limit} for ${name} must be greater than or equal to already used and reserved ${used[name]}.`);
      }
      if (userId !== '' && project[name] >= 0 && (limit > project[name] || limit === -1)) {
        throw badRequest(`Quota limit ${limit} for ${name} must be less than or equal to ${project[name]}.`);
      }
    }
    for (const [name, value] of Object.entries(wanted)) {
      if (!isOurs(name)) continue;
      await this.db.insertInto('quota_limits').values({ project_id: projectId, user_id: userId, resource: name, hard_limit: Number(value) })
        .onDuplicateKeyUpdate({ hard_limit: Number(value) }).execute();
    }
    const limits = await readLimits(this.db, projectId, userId);
    return { quota_set: Object.fromEntries(resourcesAt(minor).map((name) => [name, limitOf(limits, name)])) };
  }

  @Delete(':project')
  @HttpCode(202)
  @Authorize('os_compute_api:os-quota-sets:delete')
  async remove(@Param('project') projectId: string, @Query('user_id') userId?: string) {
    let query = this.db.deleteFrom('quota_limits').where('project_id', '=', projectId);
    if (userId !== undefined) query = query.where('user_id', '=', userId);
    await query.execute();
  }

  private async used(projectId: string): Promise<Record<string, number>> {
    const row = await this.db.selectFrom('quota_usages').select(['instances', 'cores', 'ram']).where('project_id', '=', projectId).executeTakeFirst();
    return { ...(row ?? { instances: 0, cores: 0, ram: 0 }), server_groups: await countServerGroups(this.db, projectId) };
  }
}

/**
 * The defaults of the whole cloud under their older name; only the class `default` has an effect. What older clients set
 * of other services' resources is kept and told, and those services have quotas of their own.
 */
@Controller(under('os-quota-class-sets'))
export class QuotaClassSetsController {
  constructor(@Inject(DB) private readonly db: Db) {}

  @Get(':class')
  @Authorize('os_compute_api:os-quota-class-sets:show')
  async show(@Param('class') name: string, @Version() { minor }: Microversion) {
    return { quota_class_set: { id: name, ...(await this.read(name, minor)) } };
  }

  @Put(':class')
  @Authorize('os_compute_api:os-quota-class-sets:update')
  async update(@Param('class') name: string, @Version() { minor }: Microversion, @ValidBody(UpdateQuotaClassSet) { quota_class_set: wanted }: UpdateQuotaClassSetBody) {
    const key = quotaClassKey(name);
    if (key.length > MAX_ID_LENGTH) throw badRequest('The name of a quota class is too long.');
    const limits = Object.entries(wanted).map(([resource, value]) => [resource, Number(value)] as const);
    for (const [resource, limit] of limits) {
      if (limit < -1 || limit > 0x7fffffff) throw badRequest(`Quota limit ${limit} for ${resource} must be in the range of -1 and 2147483647.`);
    }
    for (const [resource, limit] of limits) {
      await this.db.insertInto('quota_limits').values({ project_id: key, user_id: '', resource, hard_limit: limit }).onDuplicateKeyUpdate({ hard_limit: limit }).execute();
    }
    return { quota_class_set: await this.read(name, minor) };
  }

  private async read(name: string, minor: number): Promise<Record<string, number>> {
    const rows = await this.db.selectFrom('quota_limits').select(['resource', 'hard_limit']).where('project_id', '=', quotaClassKey(name)).where('user_id', '=', '').execute();
    const set: Record<string, number> = { ...DEFAULT_QUOTAS, ...Object.fromEntries(rows.map((row) => [row.resource, row.hard_limit])) };
    return Object.fromEntries(classResourcesAt(minor).map((resource) => [resource, set[resource] ?? -1]));
  }
}
