import { Controller, Get, Inject, Param } from '@nestjs/common';
import { badRequest } from '@virga/core';
import { Authorize } from '@virga/rest';
import { under } from '../microversions';
import { DB, type Db } from '../tokens';

/** `2026-10-01 00:00:00`, UTC. */
const secondText = (time: Date): string => time.toISOString().slice(0, 19).replace('T', ' ');
const startOfMonth = (time: Date, monthsBefore = 0): Date => new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth() - monthsBefore, 1));

/**
 * Which hosts have written audits of what servers used in the last whole month. No host writes any here, as on nova
 * hosts where the audit is not switched on: usage is counted from the rows of servers.
 */
@Controller(under('os-instance_usage_audit_log'))
export class UsageAuditLogController {
  constructor(@Inject(DB) private readonly db: Db) {}

  @Get()
  @Authorize('os_compute_api:os-instance-usage-audit-log:list')
  async list() {
    return { instance_usage_audit_logs: await this.logBefore(new Date()) };
  }

  @Get(':before')
  @Authorize('os_compute_api:os-instance-usage-audit-log:show')
  async show(@Param('before') text: string) {
    const before = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?$/.test(text) ? Date.parse(`${text.replace(' ', 'T')}Z`) : NaN;
    if (Number.isNaN(before)) throw badRequest(`Invalid timestamp for date ${text}`);
    return { instance_usage_audit_log: await this.logBefore(new Date(before)) };
  }

  private async logBefore(before: Date) {
    const hosts = (await this.db.selectFrom('services').select('host').where('binary', '=', 'nova-compute').orderBy('id').execute()).map(({ host }) => host);
    return {
      hosts_not_run: hosts, log: {}, num_hosts: hosts.length, num_hosts_done: 0, num_hosts_not_run: hosts.length, num_hosts_running: 0,
      overall_status: `0 of ${hosts.length} hosts done. 0 errors.`, period_beginning: secondText(startOfMonth(before, 1)), period_ending: secondText(startOfMonth(before)),
      total_errors: 0, total_instances: 0,
    };
  }
}
