import { Controller, Get, Inject, Query } from '@nestjs/common';
import type { RequestContext } from '@virga/core';
import type { QuotaLimits } from '@virga/domain';
import { Authorize, Caller, Version, type Microversion, type PolicyEnforcer } from '@virga/rest';
import { under } from '../microversions';
import { readLimits } from '../quotas/quota-limits';
import { countServerGroups } from '../server-groups/server-group.repository';
import { DB, ENFORCER, type Db } from '../tokens';

interface Usage { instances: number; cores: number; ram: number; serverGroups: number }
type Entry = readonly [key: string, value: (limits: QuotaLimits, used: Usage) => number, lastVersion?: number];

/** Figures of other services are without limit here; they left the answer with 2.36, file injection with 2.57. */
const ABSOLUTE: readonly Entry[] = [
  ['maxTotalInstances', (limits) => limits.instances],
  ['maxTotalCores', (limits) => limits.cores],
  ['maxTotalRAMSize', (limits) => limits.ram],
  ['maxServerMeta', (limits) => limits.metadata_items],
  ['maxImageMeta', (limits) => limits.metadata_items, 38],
  ['maxPersonality', (limits) => limits.injected_files, 56],
  ['maxPersonalitySize', (limits) => limits.injected_file_content_bytes, 56],
  ['maxTotalKeypairs', (limits) => limits.key_pairs],
  ['maxServerGroups', (limits) => limits.server_groups],
  ['maxServerGroupMembers', (limits) => limits.server_group_members],
  ['maxTotalFloatingIps', () => -1, 35],
  ['maxSecurityGroups', () => -1, 35],
  ['maxSecurityGroupRules', () => -1, 35],
  ['totalRAMUsed', (_limits, used) => used.ram],
  ['totalCoresUsed', (_limits, used) => used.cores],
  ['totalInstancesUsed', (_limits, used) => used.instances],
  ['totalFloatingIpsUsed', () => 0, 35],
  ['totalSecurityGroupsUsed', () => 0, 35],
  ['totalServerGroupsUsed', (_limits, used) => used.serverGroups],
];

@Controller(under('limits'))
export class LimitsController {
  constructor(@Inject(DB) private readonly db: Db, @Inject(ENFORCER) private readonly policy: PolicyEnforcer) {}

  @Get()
  @Authorize('os_compute_api:limits')
  async show(@Caller() caller: RequestContext, @Version() { minor }: Microversion, @Query('tenant_id') asked?: string) {
    const projectId = asked ?? caller.project?.id ?? '';
    if (projectId !== caller.project?.id) this.policy.enforce(caller, 'os_compute_api:limits:other_project', { projectId });
    const limits = await readLimits(this.db, projectId);
    const booked = await this.db.selectFrom('quota_usages').select(['instances', 'cores', 'ram']).where('project_id', '=', projectId).executeTakeFirst() ?? { instances: 0, cores: 0, ram: 0 };
    const used: Usage = { ...booked, serverGroups: await countServerGroups(this.db, projectId) };
    const absolute = Object.fromEntries(ABSOLUTE.filter(([, , last = Infinity]) => minor <= last).map(([key, value]) => [key, value(limits, used)]));
    return { limits: { rate: [], absolute } };
  }
}
