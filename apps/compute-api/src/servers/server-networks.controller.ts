import { Controller, Get, Inject, Param } from '@nestjs/common';
import type { InstancePort, SecurityGroupFacts } from '@virga/contracts';
import { notFound, type RequestContext } from '@virga/core';
import { Authorize, Caller, Version, type Microversion } from '@virga/rest';
import { under } from '../microversions';
import { oldRule } from '../proxies/security-group.view';
import { DB, NEIGHBOURS, SETTINGS, type ComputeSettings, type Db, type Neighbours } from '../tokens';
import { getInstance, getServer } from './server.repository';
import { addressesOf } from './server.view';

/** A card of a server as os-interface shows it. */
export const attachment = ({ networkId, portId, macAddress, status, fixedIps }: InstancePort, at: number) => ({
  net_id: networkId, port_id: portId, mac_addr: macAddress, port_state: status,
  fixed_ips: fixedIps.map(({ subnetId, ipAddress }) => ({ subnet_id: subnetId, ip_address: ipAddress })), ...(at >= 70 && { tag: null }),
});

/** Security groups in compute's older form: only what is let in. */
const securityGroup = ({ id, name, description, projectId, rules }: SecurityGroupFacts) =>
  ({ id, description, name, tenant_id: projectId, rules: rules.filter(({ direction }) => direction === 'ingress').map((rule) => oldRule({ ...rule, groupId: id })) });

/** A server's addresses and ports, as the network service knows them. */
@Controller(under('servers/:id'))
export class ServerNetworksController {
  constructor(@Inject(DB) private readonly db: Db, @Inject(SETTINGS) private readonly settings: ComputeSettings, @Inject(NEIGHBOURS) private readonly neighbours: Neighbours) {}

  @Get('ips')
  @Authorize('os_compute_api:ips:index')
  async addresses(@Param('id') id: string, @Caller() caller: RequestContext) {
    return { addresses: addressesOf((await getServer(this.db, this.settings.networkSchema, caller, id)).addresses, false) };
  }

  @Get('ips/:network')
  @Authorize('os_compute_api:ips:show')
  async addressesOn(@Param('id') id: string, @Param('network') network: string, @Caller() caller: RequestContext) {
    const addresses = addressesOf((await getServer(this.db, this.settings.networkSchema, caller, id)).addresses, false);
    if (!Object.hasOwn(addresses, network)) throw notFound('Instance is not a member of specified network');
    return { [network]: addresses[network] };
  }

  @Get('os-interface')
  @Authorize('os_compute_api:os-attach-interfaces:list')
  async ports(@Param('id') id: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion) {
    await getInstance(this.db, caller, id);
    const { ports } = await this.neighbours.network.instancePorts({ instanceId: id });
    return { interfaceAttachments: ports.map((port) => attachment(port, minor)) };
  }

  @Get('os-interface/:port')
  @Authorize('os_compute_api:os-attach-interfaces:show')
  async port(@Param('id') id: string, @Param('port') portId: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion) {
    await getInstance(this.db, caller, id);
    const { ports } = await this.neighbours.network.instancePorts({ instanceId: id });
    const port = ports.find((candidate) => candidate.portId === portId);
    if (!port) throw notFound(`Instance ${id} does not have a port with id ${portId}`);
    return { interfaceAttachment: attachment(port, minor) };
  }

  @Get('os-security-groups')
  @Authorize('os_compute_api:os-security-groups:list')
  async securityGroups(@Param('id') id: string, @Caller() caller: RequestContext) {
    await getInstance(this.db, caller, id);
    const { groups } = await this.neighbours.network.describeSecurityGroups({ instanceId: id });
    return { security_groups: groups.map(securityGroup) };
  }
}
