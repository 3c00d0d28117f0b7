import { Controller, Delete, Get, Inject, Param, Post } from '@nestjs/common';
import { notFound, type RequestContext } from '@virga/core';
import { Authorize, Caller } from '@virga/rest';
import { COLLECTIONS, type Collections } from '../api/resource.controllers';
import { CollectionVerbs } from '../api/verbs';

const noDhcpAgent = (id: string) => notFound(`Agent ${id.slice(0, 100)} is not a valid DHCP Agent or has been disabled`, { type: 'InvalidDHCPAgent' });

/** Every host answers the DHCP requests of its own ports by OVN: there is no DHCP agent, on any network. */
@Controller('v2.0')
export class AgentSchedulerController {
  constructor(@Inject(COLLECTIONS) private readonly collections: Collections, @Inject(CollectionVerbs) private readonly verbs: CollectionVerbs) {}

  @Get('networks/:id/dhcp-agents')
  @Authorize('get_dhcp-agents')
  async agents(@Caller() caller: RequestContext, @Param('id') id: string) {
    await this.verbs.row(this.verbs.db, this.collections.networks, caller, id);
    return { agents: [] };
  }

  @Get('agents/:id/dhcp-networks')
  @Authorize('get_dhcp-networks')
  networks() {
    return { networks: [] };
  }

  @Post('agents/:id/dhcp-networks')
  @Authorize('create_dhcp-network')
  add(@Param('id') id: string): never {
    throw noDhcpAgent(id);
  }

  @Delete('agents/:id/dhcp-networks/:network')
  @Authorize('delete_dhcp-network')
  remove(@Param('id') id: string): never {
    throw noDhcpAgent(id);
  }
}
