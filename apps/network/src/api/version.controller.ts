import { Controller, Get, Req } from '@nestjs/common';
import { Authenticated, Public, baseUrl, type FastifyRequest } from '@virga/rest';

const RESOURCES = [
  ['network', 'networks'], ['subnet', 'subnets'], ['port', 'ports'], ['router', 'routers'], ['floatingip', 'floatingips'],
  ['security_group', 'security-groups'], ['security_group_rule', 'security-group-rules'], ['quota', 'quotas'], ['agent', 'agents'],
  ['subnetpool', 'subnetpools'], ['address_scope', 'address-scopes'], ['rbac_policy', 'rbac-policies'],
  ['availability_zone', 'availability_zones'], ['extension', 'extensions'],
];

@Controller()
export class VersionController {
  /** The versions of this API; open to all. */
  @Get()
  @Public()
  versions(@Req() request: FastifyRequest) {
    return { versions: [{ id: 'v2.0', status: 'CURRENT', links: [{ rel: 'self', href: `${baseUrl(request)}/v2.0/` }] }] };
  }

  /** The resources of v2.0; with a token, whoever it belongs to. */
  @Get('v2.0')
  @Authenticated()
  resources(@Req() request: FastifyRequest) {
    const base = baseUrl(request);
    return { resources: RESOURCES.map(([name, collection]) => ({ name, collection: collection!.replaceAll('-', '_'), links: [{ rel: 'self', href: `${base}/v2.0/${collection}` }] })) };
  }
}
