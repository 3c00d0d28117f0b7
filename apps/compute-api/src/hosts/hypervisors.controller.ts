import { Controller, Get, Inject, Param, Query, Req } from '@nestjs/common';
import { badRequest, isUuid, notFound, notImplemented } from '@virga/core';
import { sql } from '@virga/db';
import { Authorize, readPage, Version, withQuery, type FastifyRequest, type Microversion } from '@virga/rest';
import { readBoolean } from '../booleans';
import { Served, under } from '../microversions';
import { instanceName } from '../servers/server-row';
import { DB, SETTINGS, type ComputeSettings, type Db } from '../tokens';
import { listHosts, type Host } from './host-list';

const brief = (host: Host, at: number) => ({
  id: at >= 53 ? host.id : host.num, hypervisor_hostname: host.hostname, state: host.alive ? 'up' : 'down', status: host.enabled ? 'enabled' : 'disabled',
});

const parsed = (text: string): unknown => { try { return JSON.parse(text); } catch { return {}; } };

const sums = (host: Host) => ({
  vcpus: host.facts.totals.vcpus, memory_mb: host.facts.totals.memoryMb, local_gb: host.facts.totals.diskGb,
  vcpus_used: host.used.vcpus, memory_mb_used: host.used.memoryMb, local_gb_used: host.used.diskGb,
  free_ram_mb: host.facts.totals.memoryMb - host.used.memoryMb, free_disk_gb: host.facts.totals.diskGb - host.used.diskGb,
  current_workload: host.workload, running_vms: host.reported.runningInstances, disk_available_least: Math.max(0, host.facts.totals.diskGb - host.reported.diskGbUsed),
});

/** A simulated host says so in its type, wherever it is shown. */
const detail = (host: Host, at: number) => ({
  ...brief(host, at),
  hypervisor_type: host.facts.hypervisorType, hypervisor_version: host.facts.hypervisorVersion, host_ip: host.facts.hostIp,
  service: { id: at >= 53 ? host.service.uuid : host.service.id, host: host.service.host, disabled_reason: host.service.disabledReason },
  ...(at < 88 ? { ...sums(host), cpu_info: at >= 28 ? parsed(host.facts.cpuInfo) : host.facts.cpuInfo } : { uptime: null }),
});

type View = typeof detail;

@Controller(under('os-hypervisors'))
export class HypervisorsController {
  constructor(@Inject(DB) private readonly db: Db, @Inject(SETTINGS) private readonly settings: ComputeSettings) {}

  @Get()
  @Authorize('os_compute_api:os-hypervisors:list')
  list(@Version() version: Microversion, @Query() query: Record<string, string>, @Req() request: FastifyRequest) {
    return this.answer(version, query, request, brief as View);
  }

  @Get('detail')
  @Authorize('os_compute_api:os-hypervisors:list-detail')
  detailed(@Version() version: Microversion, @Query() query: Record<string, string>, @Req() request: FastifyRequest) {
    return this.answer(version, query, request, detail);
  }

  @Get('statistics')
  @Served(1, 87)
  @Authorize('os_compute_api:os-hypervisors:statistics')
  async statistics() {
    const total: Record<string, number> = { count: 0, vcpus: 0, memory_mb: 0, local_gb: 0, vcpus_used: 0, memory_mb_used: 0, local_gb_used: 0, free_ram_mb: 0, free_disk_gb: 0, current_workload: 0, running_vms: 0, disk_available_least: 0 };
    for (const host of await listHosts(this.db)) {
      if (!host.enabled) continue;
      total.count!++;
      for (const [key, value] of Object.entries(sums(host))) total[key]! += value;
    }
    return { hypervisor_statistics: total };
  }

  @Get(':id')
  @Authorize('os_compute_api:os-hypervisors:show')
  async show(@Param('id') id: string, @Version() { minor }: Microversion, @Query('with_servers') withServers?: string) {
    const host = await this.find(id, minor);
    return { hypervisor: { ...detail(host, minor), ...(minor >= 53 && readBoolean(withServers ?? 'false') && { servers: (await this.serversOn([host])).get(host.id) ?? [] }) } };
  }

  /** Hosts do not report it; nova says so, too, of drivers that cannot tell. */
  @Get(':id/uptime')
  @Served(1, 87)
  @Authorize('os_compute_api:os-hypervisors:uptime')
  async uptime(@Param('id') id: string, @Version() { minor }: Microversion) {
    await this.find(id, minor);
    throw notImplemented('The requested functionality is not implemented.');
  }

  @Get(':pattern/search')
  @Served(1, 52)
  @Authorize('os_compute_api:os-hypervisors:search')
  async search(@Param('pattern') pattern: string, @Version() { minor }: Microversion) {
    return { hypervisors: (await this.named(pattern)).map((host) => brief(host, minor)) };
  }

  @Get(':pattern/servers')
  @Served(1, 52)
  @Authorize('os_compute_api:os-hypervisors:servers')
  async servers(@Param('pattern') pattern: string, @Version() { minor }: Microversion) {
    const hosts = await this.named(pattern);
    const servers = await this.serversOn(hosts);
    return { hypervisors: hosts.map((host) => ({ ...brief(host, minor), ...(servers.has(host.id) && { servers: servers.get(host.id) }) })) };
  }

  private async find(id: string, minor: number): Promise<Host> {
    const [host] = minor >= 53 && !isUuid(id) ? badId(id) : await listHosts(this.db, minor >= 53 ? sql`h.id = ${id}` : sql`h.num = ${/^\d{1,9}$/.test(id) ? Number(id) : -1}`);
    if (!host) throw notFound(`Compute host ${id} could not be found.`);
    return host;
  }

  private async named(pattern: string): Promise<Host[]> {
    const hosts = await listHosts(this.db, sql`INSTR(h.hostname, ${pattern}) > 0`);
    if (hosts.length === 0) throw notFound(`No hypervisor matching '${pattern}' could be found.`);
    return hosts;
  }

  private async answer({ minor }: Microversion, query: Record<string, string>, request: FastifyRequest, view: View) {
    const pattern = minor >= 53 ? query.hypervisor_hostname_pattern : undefined;
    if (pattern !== undefined && (query.limit !== undefined || query.marker !== undefined)) throw badRequest('Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.');
    let hosts = pattern === undefined ? await listHosts(this.db) : await this.named(pattern);
    let links = {};
    if (minor >= 33) {
      const page = readPage(query, this.settings.maxLimit);
      const at = page.marker === undefined ? -1 : hosts.findIndex((host) => (minor >= 53 ? host.id : String(host.num)) === page.marker);
      if (page.marker !== undefined && at < 0) throw badRequest(`marker [${page.marker}] not found`);
      const rest = hosts.slice(at + 1);
      hosts = rest.slice(0, page.limit);
      if (rest.length > hosts.length && hosts.length > 0) links = { hypervisors_links: [{ rel: 'next', href: withQuery(request, { marker: String(brief(hosts.at(-1)!, minor).id) }) }] };
    }
    const servers = minor >= 53 && readBoolean(query.with_servers ?? 'false') ? await this.serversOn(hosts) : undefined;
    return { hypervisors: hosts.map((host) => ({ ...view(host, minor), ...(servers?.has(host.id) && { servers: servers.get(host.id) }) })), ...links };
  }

  private async serversOn(hosts: Host[]): Promise<Map<string, { name: string; uuid: string }[]>> {
    const found = new Map<string, { name: string; uuid: string }[]>();
    if (hosts.length === 0) return found;
    const rows = await this.db.selectFrom('instances').select(['id', 'num', 'host_id']).where('host_id', 'in', hosts.map(({ id }) => id)).where('deleted_at', 'is', null).orderBy('num').execute();
    for (const { id, num, host_id: hostId } of rows) found.set(hostId!, [...(found.get(hostId!) ?? []), { name: instanceName(num), uuid: id }]);
    return found;
  }
}

function badId(id: string): never {
  throw badRequest(`Invalid uuid ${id}`);
}
