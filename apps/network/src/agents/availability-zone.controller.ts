import { Controller, Get, Inject, Query } from '@nestjs/common';
import { Authorize } from '@virga/rest';

export const AVAILABILITY_ZONE = Symbol('virga.network.availability-zone');

/** One zone, for networks and for routers. */
@Controller('v2.0/availability_zones')
@Authorize('get_availability_zone')
export class AvailabilityZoneController {
  constructor(@Inject(AVAILABILITY_ZONE) private readonly name: string) {}

  @Get()
  list(@Query() query: Record<string, string | string[] | undefined>) {
    const zones = ['network', 'router'].map((resource) => ({ name: this.name, resource, state: 'available' }));
    const asked = Object.entries(query).filter(([name]) => ['name', 'resource', 'state'].includes(name));
    return { availability_zones: zones.filter((zone) => asked.every(([name, values]) => [values].flat().includes(zone[name as keyof typeof zone]))) };
  }
}
