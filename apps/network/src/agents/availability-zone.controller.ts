import { Controller, Get, Inject } from '@nestjs/common';
import { Authorize } from '@virga/rest';

export const AVAILABILITY_ZONE = Symbol('virga.network.availability-zone');

/** One zone, for networks and for routers. */
@Controller('v2.0/availability_zones')
@Authorize('get_availability_zone')
export class AvailabilityZoneController {
  constructor(@Inject(AVAILABILITY_ZONE) private readonly name: string) {}

  @Get()
  list() {
    return { availability_zones: ['network', 'router'].map((resource) => ({ name: this.name, resource, state: 'available' })) };
  }
}
