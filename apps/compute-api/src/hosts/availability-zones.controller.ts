import { Controller, Get, Inject } from '@nestjs/common';
import { Authorize } from '@virga/rest';
import { under } from '../microversions';
import { dbNow } from '../db/time';
import { microTime } from '../times';
import { DB, type Db } from '../tokens';

/** Zone of services that run no instances. */
const INTERNAL = 'internal';

@Controller(under('os-availability-zone'))
export class AvailabilityZonesController {
  constructor(@Inject(DB) private readonly db: Db) {}

  @Get()
  @Authorize('os_compute_api:os-availability-zone:list')
  async list() {
    const zones = new Map<string, boolean>();
    for (const { zone, alive, disabled, forced_down: down } of await this.services()) {
      if (zone !== INTERNAL) zones.set(zone, (zones.get(zone) ?? false) || (Boolean(alive) && !disabled && !down));
    }
    return { availabilityZoneInfo: [...zones].map(([zoneName, available]) => ({ zoneName, zoneState: { available }, hosts: null })) };
  }

  @Get('detail')
  @Authorize('os_compute_api:os-availability-zone:detail')
  async detail() {
    const zones = new Map<string, Record<string, Record<string, unknown>>>();
    const available = new Map<string, boolean>();
    for (const service of await this.services()) {
      const up = Boolean(service.alive) && !service.forced_down;
      const hosts = zones.get(service.zone) ?? {};
      (hosts[service.host] ??= {})[service.binary] = { available: up, active: !service.disabled, updated_at: microTime(service.updated_at) };
      zones.set(service.zone, hosts);
      available.set(service.zone, (available.get(service.zone) ?? false) || (up && !service.disabled));
    }
    return { availabilityZoneInfo: [...zones].map(([zoneName, hosts]) => ({ zoneName, zoneState: { available: available.get(zoneName) }, hosts })) };
  }

  private services() {
    return this.db.selectFrom('services').selectAll().select((eb) => eb('lease_until', '>', dbNow).as('alive')).orderBy('zone').orderBy('id').execute();
  }
}
