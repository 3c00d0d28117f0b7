import { Controller, Get } from '@nestjs/common';
import { Authorize } from '@virga/rest';

/** Routers are OVN's, and nothing else is on offer. */
@Controller('v2.0/service-providers')
@Authorize('get_service_provider')
export class ServiceProviderController {
  @Get()
  list() {
    return { service_providers: [{ service_type: 'L3_ROUTER_NAT', name: 'ovn', default: true }] };
  }
}
