import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { badRequest, isUuid, newUuid, CloudError, type RequestContext } from '@virga/core';
import { inTransaction } from '@virga/db';
import { Authorize, Caller, checkInput, FAULT_STYLES, pickStep, ValidBody, Version, type Microversion, type PolicyEnforcer } from '@virga/rest';
import { dbNow } from '../db/time';
import { under } from '../microversions';
import { readLimits } from '../quotas/quota-limits';
import { ensureUsage } from '../quotas/quota-usage';
import { DB, ENFORCER, SETTINGS, type ComputeSettings, type Db } from '../tokens';
import { countServerGroups, findServerGroup, groupNotFound, listServerGroups } from './server-group.repository';
import { CreateServerGroup, ListServerGroups, type CreateServerGroupBody, type ServerGroupQuery } from './server-group.schema';
import { serverGroupView } from './server-group.view';

/** Servers that are to be on one host, or on different ones. */
@Controller(under('os-server-groups'))
export class ServerGroupsController {
  constructor(@Inject(DB) private readonly db: Db, @Inject(ENFORCER) private readonly policy: PolicyEnforcer, @Inject(SETTINGS) private readonly settings: ComputeSettings) {}

  @Get()
  @Authorize('os_compute_api:os-server-groups:index')
  async list(@Caller() caller: RequestContext, @Version() version: Microversion, @Query() query: ServerGroupQuery) {
    checkInput(pickStep(ListServerGroups, version)!, query, FAULT_STYLES.compute);
    // Of others it is ignored, as in nova.
    const everybodys = query.all_projects !== undefined && caller.roleNames.has('admin');
    if (everybodys) this.policy.enforce(caller, 'os_compute_api:os-server-groups:index:all_projects');
    const limit = Math.min(Number(query.limit ?? this.settings.maxLimit), this.settings.maxLimit);
    const groups = await listServerGroups(this.db, everybodys ? undefined : caller.project?.id ?? '', { limit, offset: Number(query.offset ?? 0) });
    return { server_groups: groups.map((group) => serverGroupView(group, version.minor)) };
  }

  @Post()
  @HttpCode(200)
  @Authorize('os_compute_api:os-server-groups:create')
  async create(@Caller() caller: RequestContext, @Version() { minor }: Microversion, @ValidBody(CreateServerGroup) { server_group: { name, policies, policy = policies![0], rules } }: CreateServerGroupBody) {
    if (rules?.max_server_per_host !== undefined && policy !== 'anti-affinity') throw badRequest("Only anti-affinity policy supports rules.");
    const projectId = caller.project!.id;
    const id = newUuid();
    await ensureUsage(this.db, projectId);
    await inTransaction(this.db, async (trx) => {
      // Whoever makes one at the same time waits, so that the limit is exact.
      await trx.selectFrom('quota_usages').select('project_id').where('project_id', '=', projectId).forUpdate().executeTakeFirstOrThrow();
      const { server_groups: limit } = await readLimits(trx, projectId, caller.user.id);
      if (limit >= 0 && await countServerGroups(trx, projectId) >= limit) throw new CloudError('overQuota', 'Quota exceeded, too many server groups.', { status: 403 });
      await trx.insertInto('server_groups').values({
        id, name, policy, max_per_host: rules?.max_server_per_host === undefined ? null : Number(rules.max_server_per_host), project_id: projectId, user_id: caller.user.id, created_at: dbNow,
      }).execute();
    });
    return { server_group: serverGroupView((await findServerGroup(this.db, caller, id))!, minor) };
  }

  @Get(':id')
  @Authorize('os_compute_api:os-server-groups:show')
  async show(@Param('id') id: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion) {
    return { server_group: serverGroupView(await this.find(caller, id), minor) };
  }

  /** The members stay where they are, and are members of nothing. */
  @Delete(':id')
  @HttpCode(204)
  @Authorize('os_compute_api:os-server-groups:delete')
  async remove(@Param('id') id: string, @Caller() caller: RequestContext) {
    await this.find(caller, id);
    await inTransaction(this.db, async (trx) => {
      await trx.deleteFrom('server_groups').where('id', '=', id).execute();
      await trx.deleteFrom('server_group_members').where('group_id', '=', id).execute();
    });
  }

  private async find(caller: RequestContext, id: string) {
    const group = isUuid(id) ? await findServerGroup(this.db, caller, id) : undefined;
    if (!group) throw groupNotFound(id);
    return group;
  }
}
