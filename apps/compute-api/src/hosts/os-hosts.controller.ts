import { Controller, Get, Inject, Param, Put, Query } from '@nestjs/common';
import { Type, type Static } from '@sinclair/typebox';
import { errorMessage, notFound, notImplemented, type Logger } from '@virga/core';
import { sql } from '@virga/db';
import { Authorize, ValidBody } from '@virga/rest';
import { Served, under } from '../microversions';
import { DB, LOGGER, NEIGHBOURS, type Db, type Neighbours } from '../tokens';
import { listHosts, type Host } from './host-list';

/** Last version (2.n) of this older view of hosts. */
const LAST = 42;
const Switch = Type.Optional(Type.String({ pattern: '^([Ee]nable|[Dd]isable|ENABLE|DISABLE)$' }));
const UpdateHost = Type.Object({ status: Switch, maintenance_mode: Switch }, { additionalProperties: false, minProperties: 1 });

interface Share { host: string; project: string; cpu: number; memory_mb: number; disk_gb: number }
const row = (host: string, project: string, cpu: number, memoryMb: number, diskGb: number): { resource: Share } =>
  ({ resource: { host, project, cpu, memory_mb: memoryMb, disk_gb: diskGb } });

/** Hosts as they were shown until 2.42. */
@Controller(under('os-hosts'))
export class OsHostsController {
  constructor(@Inject(DB) private readonly db: Db, @Inject(NEIGHBOURS) private readonly neighbours: Neighbours, @Inject(LOGGER) private readonly logger: Logger) {}

  @Get()
  @Served(1, LAST)
  @Authorize('os_compute_api:os-hosts:list')
  async list(@Query('zone') zone?: string, @Query('service') service?: string) {
    let select = this.db.selectFrom('services').select(['host', 'binary', 'zone']).orderBy('id');
    if (zone) select = select.where('zone', '=', zone);
    if (service) select = select.where('binary', '=', `nova-${service}`);
    return { hosts: (await select.execute()).map(({ host, binary, zone: itsZone }) => ({ host_name: host, service: binary.replace(/^nova-/, ''), zone: itsZone })) };
  }

  @Get(':host')
  @Served(1, LAST)
  @Authorize('os_compute_api:os-hosts:show')
  async show(@Param('host') name: string) {
    const { id, facts: { totals }, used } = await this.find(name);
    const { rows } = await sql<{ project_id: string; cpu: number | string; memory_mb: number | string; disk_gb: number | string }>`
      SELECT project_id, SUM(JSON_VALUE(flavor_json, '$.vcpus')) AS cpu, SUM(JSON_VALUE(flavor_json, '$.ram')) AS memory_mb,
        SUM(JSON_VALUE(flavor_json, '$.disk') + JSON_VALUE(flavor_json, '$.ephemeral')) AS disk_gb
      FROM instances WHERE host_id = ${id} AND deleted_at IS NULL GROUP BY project_id ORDER BY project_id`.execute(this.db);
    return {
      host: [
        row(name, '(total)', totals.vcpus, totals.memoryMb, totals.diskGb),
        row(name, '(used_now)', used.vcpus, used.memoryMb, used.diskGb),
        row(name, '(used_max)', used.vcpus, used.memoryMb, used.diskGb),
        ...rows.map((share) => row(name, share.project_id, Number(share.cpu), Number(share.memory_mb), Number(share.disk_gb))),
      ],
    };
  }

  @Put(':host')
  @Served(1, LAST)
  @Authorize('os_compute_api:os-hosts:update')
  async update(@Param('host') name: string, @ValidBody(UpdateHost) { status, maintenance_mode: maintenance }: Static<typeof UpdateHost>) {
    const { id, service } = await this.find(name);
    // No hypervisor of ours has such a mode; nova answers so for its drivers without one.
    if (maintenance !== undefined) throw notImplemented('Virt driver does not implement host maintenance mode.');
    const enabled = status!.toLowerCase() === 'enable';
    await this.db.updateTable('services').set({ disabled: enabled ? 0 : 1, ...(enabled && { disabled_reason: null }) }).where('id', '=', service.id).execute();
    await this.neighbours.placement.setHostEnabled({ hostId: id, enabled }).catch((error: unknown) => this.logger.warn({ reason: errorMessage(error) }, 'scheduler not told yet'));
    return { host: name, status: enabled ? 'enabled' : 'disabled' };
  }

  @Get(':host/startup')
  @Served(1, LAST)
  @Authorize('os_compute_api:os-hosts:start')
  startup(@Param('host') name: string) {
    return this.refusePower(name);
  }

  @Get(':host/shutdown')
  @Served(1, LAST)
  @Authorize('os_compute_api:os-hosts:shutdown')
  shutdown(@Param('host') name: string) {
    return this.refusePower(name);
  }

  @Get(':host/reboot')
  @Served(1, LAST)
  @Authorize('os_compute_api:os-hosts:reboot')
  reboot(@Param('host') name: string) {
    return this.refusePower(name);
  }

  /** A control plane does not switch machines; nova's libvirt driver does not either. */
  private async refusePower(name: string): Promise<never> {
    await this.find(name);
    throw notImplemented('Virt driver does not implement host power actions.');
  }

  private async find(name: string): Promise<Host> {
    const [host] = await listHosts(this.db, sql`h.hostname = ${name}`);
    if (!host) throw notFound(`Compute host ${name} could not be found.`);
    return host;
  }
}
