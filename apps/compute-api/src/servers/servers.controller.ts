import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Query, Req, Res } from '@nestjs/common';
import type { RequestContext } from '@virga/core';
import { Authorize, baseUrl, Caller, ValidBody, Version, type FastifyReply, type FastifyRequest, type Microversion, type PolicyEnforcer } from '@virga/rest';
import { under } from '../microversions';
import { readBoolean } from '../booleans';
import { DB, ENFORCER, NEIGHBOURS, SETTINGS, WAKE_RELAY, type ComputeSettings, type Db, type Neighbours, type WakeRelay } from '../tokens';
import { CreateServer, type CreateServerBody } from './create-server.schema';
import { createServers } from './create-server';
import { deleteServer, untilGone } from './delete-server';
import { listServers } from './list-servers';
import { UpdateServer, updateServer, type UpdateServerBody } from './update-server';
import { getServer } from './server.repository';
import type { ServerQuery } from './server-list-query';
import { serverDetail, serverLinks } from './server.view';

@Controller(under('servers'))
export class ServersController {
  private readonly deps;

  constructor(
    @Inject(DB) private readonly db: Db, @Inject(NEIGHBOURS) neighbours: Neighbours, @Inject(ENFORCER) private readonly policy: PolicyEnforcer,
    @Inject(SETTINGS) private readonly settings: ComputeSettings, @Inject(WAKE_RELAY) private readonly wakeRelay: WakeRelay,
  ) {
    this.deps = { db, neighbours, policy, settings };
  }

  @Get()
  @Authorize('os_compute_api:servers:index')
  list(@Caller() caller: RequestContext, @Version() version: Microversion, @Query() query: ServerQuery, @Req() request: FastifyRequest) {
    return listServers(this.deps, caller, version, query, request, 'brief');
  }

  @Get('detail')
  @Authorize('os_compute_api:servers:detail')
  detail(@Caller() caller: RequestContext, @Version() version: Microversion, @Query() query: ServerQuery, @Req() request: FastifyRequest) {
    return listServers(this.deps, caller, version, query, request, 'detail');
  }

  @Get(':id')
  @Authorize('os_compute_api:servers:show')
  async show(@Param('id') id: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion, @Req() request: FastifyRequest) {
    return this.view(id, caller, minor, request, 'show');
  }

  @Put(':id')
  @Authorize('os_compute_api:servers:update')
  async update(@Param('id') id: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion, @ValidBody(UpdateServer) body: UpdateServerBody, @Req() request: FastifyRequest) {
    await updateServer(this.db, caller, id, body);
    return this.view(id, caller, minor, request, 'update');
  }

  @Post()
  @HttpCode(202)
  @Authorize('os_compute_api:servers:create')
  async create(
    @Caller() caller: RequestContext, @Version() { minor }: Microversion, @ValidBody(CreateServer) body: CreateServerBody,
    @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const made = await createServers(this.deps, caller, body, minor);
    this.wakeRelay();
    if (readBoolean(body.server.return_reservation_id ?? false)) return { reservation_id: made.reservationId };
    const id = made.ids[0]!;
    void reply.header('Location', `${baseUrl(request)}/v2.1/servers/${id}`);
    return {
      server: {
        id, links: serverLinks(request, id), 'OS-DCF:diskConfig': made.diskConfig, security_groups: made.securityGroups.map((name) => ({ name })), adminPass: made.adminPass,
      },
    };
  }

  @Delete(':id')
  @HttpCode(204)
  @Authorize('os_compute_api:servers:delete')
  async remove(@Param('id') id: string, @Caller() caller: RequestContext) {
    const { onHost } = await deleteServer(this.db, caller, id, this.policy.allows(caller, 'os_compute_api:os-lock-server:unlock:unlock_override'));
    this.wakeRelay();
    if (!onHost) await untilGone(this.db, id);
  }

  private async view(id: string, caller: RequestContext, at: number, request: FastifyRequest, form: 'show' | 'update') {
    const server = await getServer(this.db, this.settings.networkSchema, caller, id);
    const admin = this.policy.allows(caller, 'os_compute_api:os-extended-server-attributes');
    return { server: serverDetail(server, { request, at, admin, form }) };
  }
}
