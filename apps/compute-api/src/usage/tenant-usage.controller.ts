import { Controller, Get, Inject, Param, Query, Req } from '@nestjs/common';
import { badRequest, notFound, type RequestContext } from '@virga/core';
import { Authenticated, Authorize, Caller, readPage, Version, withQuery, type FastifyRequest, type Microversion, type PolicyEnforcer } from '@virga/rest';
import { under } from '../microversions';
import type { ServerFlavor } from '../servers/server-row';
import { microTime, microTimeOrNull } from '../times';
import { DB, ENFORCER, SETTINGS, type ComputeSettings, type Db } from '../tokens';

interface Period { start: Date; stop: Date }
interface UsedServer {
  id: string; display_name: string; project_id: string; flavor_json: string; launched_at: Date | null; terminated_at: Date | null; vm_state: string;
}

const HOUR = 3_600_000;

function serverUsage(server: UsedServer, { start, stop }: Period, now: Date) {
  const flavor = JSON.parse(server.flavor_json) as ServerFlavor;
  const from = Math.max(server.launched_at!.getTime(), start.getTime());
  const to = Math.min((server.terminated_at ?? stop).getTime(), stop.getTime());
  return {
    hours: Math.max(0, to - from) / HOUR, flavor: flavor.original_name, instance_id: server.id, name: server.display_name, tenant_id: server.project_id,
    memory_mb: flavor.ram, local_gb: flavor.disk + flavor.ephemeral, vcpus: flavor.vcpus, started_at: microTime(server.launched_at!), ended_at: microTimeOrNull(server.terminated_at),
    state: server.terminated_at === null ? server.vm_state : 'terminated',
    uptime: Math.floor(((server.terminated_at ?? now).getTime() - server.launched_at!.getTime()) / 1000),
  };
}
type ServerUsage = ReturnType<typeof serverUsage>;

const totals = (projectId: string, usages: ServerUsage[], { start, stop }: Period, detailed: boolean) => ({
  tenant_id: projectId,
  ...(detailed && { server_usages: usages }),
  total_local_gb_usage: usages.reduce((sum, { hours, local_gb: gb }) => sum + hours * gb, 0),
  total_vcpus_usage: usages.reduce((sum, { hours, vcpus }) => sum + hours * vcpus, 0),
  total_memory_mb_usage: usages.reduce((sum, { hours, memory_mb: mb }) => sum + hours * mb, 0),
  total_hours: usages.reduce((sum, { hours }) => sum + hours, 0),
  start: microTime(start),
  stop: microTime(stop),
});

@Controller(under('os-simple-tenant-usage'))
export class TenantUsageController {
  constructor(@Inject(DB) private readonly db: Db, @Inject(ENFORCER) private readonly policy: PolicyEnforcer, @Inject(SETTINGS) private readonly settings: ComputeSettings) {}

  @Get()
  @Authorize('os_compute_api:os-simple-tenant-usage:list')
  async list(@Version() { minor }: Microversion, @Query() query: Record<string, string>, @Req() request: FastifyRequest) {
    // A project with an empty name, as clients write it by mistake, and not the list.
    if (request.url.split('?', 1)[0]!.endsWith('/')) throw notFound('The resource could not be found.');
    const period = readPeriod(query);
    const { usages, links } = await this.usages(query, period, minor, request);
    const projects = new Map<string, ServerUsage[]>();
    for (const usage of usages) projects.set(usage.tenant_id, [...(projects.get(usage.tenant_id) ?? []), usage]);
    return { tenant_usages: [...projects].map(([id, own]) => totals(id, own, period, query.detailed === '1')), ...(links && { tenant_usages_links: links }) };
  }

  // The rule looks at the project in the path.
  @Get(':project')
  @Authenticated()
  async show(@Param('project') projectId: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion, @Query() query: Record<string, string>, @Req() request: FastifyRequest) {
    this.policy.enforce(caller, 'os_compute_api:os-simple-tenant-usage:show', { projectId });
    const period = readPeriod(query);
    const { usages, links } = await this.usages(query, period, minor, request, projectId);
    return { tenant_usage: usages.length === 0 ? {} : totals(projectId, usages, period, true), ...(links && { tenant_usage_links: links }) };
  }

  /** Servers that lived in the period; from 2.40 page by page, the marker is the last server. */
  private async usages(query: Record<string, string>, period: Period, minor: number, request: FastifyRequest, projectId?: string) {
    let select = this.db.selectFrom('instances').select(['id', 'num', 'display_name', 'project_id', 'flavor_json', 'launched_at', 'terminated_at', 'vm_state'])
      .where('launched_at', 'is not', null).where('launched_at', '<', period.stop)
      .where((eb) => eb.or([eb('terminated_at', 'is', null), eb('terminated_at', '>', period.start)])).orderBy('project_id').orderBy('num');
    if (projectId !== undefined) select = select.where('project_id', '=', projectId);
    const page = minor >= 40 ? readPage(query, this.settings.maxLimit) : undefined;
    if (page?.marker !== undefined) {
      const marker = await this.db.selectFrom('instances').select(['num', 'project_id']).where('id', '=', page.marker).executeTakeFirst();
      if (!marker) throw badRequest(`marker [${page.marker}] not found`);
      select = select.where((eb) => eb.or([eb('project_id', '>', marker.project_id), eb.and([eb('project_id', '=', marker.project_id), eb('num', '>', marker.num)])]));
    }
    const rows = await (page ? select.limit(page.limit) : select).execute();
    const now = new Date();
    const links = page && rows.length > 0 && rows.length === page.limit ? [{ rel: 'next', href: withQuery(request, { marker: rows.at(-1)!.id }) }] : undefined;
    return { usages: rows.map((row) => serverUsage(row, period, now)), links };
  }
}

function readPeriod(query: Record<string, string>): Period {
  const now = new Date();
  const read = (text: string | undefined): Date => {
    if (text === undefined || text === '') return now;
    const time = Date.parse(/([zZ]|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}${text.includes(':') ? '' : text.includes('T') ? ':00' : 'T00:00'}Z`.replace(/^(\d{4}-\d\d-\d\d) /, '$1T'));
    if (Number.isNaN(time)) throw badRequest('Datetime is in invalid format');
    return new Date(time);
  };
  const period = { start: read(query.start), stop: read(query.end) };
  if (period.start > period.stop) throw badRequest('Invalid start time. The start time cannot occur after the end time.');
  return period;
}
