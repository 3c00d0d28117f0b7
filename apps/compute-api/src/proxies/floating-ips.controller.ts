import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { Type } from '@sinclair/typebox';
import { CloudError, notFound, type RequestContext } from '@virga/core';
import { Authorize, Caller, checkInput, FAULT_STYLES } from '@virga/rest';
import { Served, under } from '../microversions';
import { NEIGHBOUR_APIS } from '../tokens';
import { findPool, pools, projectsFloatingIps, refusedAllocation, type FloatingIpFacts, type PoolFacts } from './floating-ips';
import { segment, type NeighbourApis } from './neighbour-api';

const Allocation = Type.Object({ pool: Type.Optional(Type.Union([Type.String({ maxLength: 255 }), Type.Null()])) });
const poolName = ({ id, name }: PoolFacts): string => name || id;

const view = (ip: FloatingIpFacts, all: readonly PoolFacts[]) => {
  const pool = all.find(({ id }) => id === ip.floating_network_id);
  return {
    id: ip.id, ip: ip.floating_ip_address, fixed_ip: ip.fixed_ip_address, pool: pool === undefined ? ip.floating_network_id : poolName(pool), instance_id: ip.port_details?.device_id || null,
  };
};

/** Floating IPs of the project in compute's older form, until 2.35. */
@Controller(under('os-floating-ips'))
export class FloatingIpsController {
  constructor(@Inject(NEIGHBOUR_APIS) private readonly apis: NeighbourApis) {}

  @Get()
  @Served(1, 35)
  @Authorize('os_compute_api:os-floating-ips:list')
  async list(@Caller() caller: RequestContext) {
    const [found, all] = await Promise.all([projectsFloatingIps(this.apis, caller), pools(this.apis, caller)]);
    return { floating_ips: found.map((ip) => view(ip, all)) };
  }

  @Get(':id')
  @Served(1, 35)
  @Authorize('os_compute_api:os-floating-ips:show')
  async show(@Param('id') id: string, @Caller() caller: RequestContext) {
    const [found, all] = await Promise.all([this.ask(caller, 'GET', id), pools(this.apis, caller)]);
    return { floating_ip: view(found.floatingip, all) };
  }

  @Post()
  @HttpCode(200)
  @Served(1, 35)
  @Authorize('os_compute_api:os-floating-ips:create')
  async create(@Caller() caller: RequestContext, @Body() body: { pool?: string | null } | undefined) {
    // A body is not needed: the default pool is meant.
    checkInput(Allocation, body ?? {}, FAULT_STYLES.compute);
    const pool = await findPool(this.apis, caller, body?.pool ?? undefined);
    const { floatingip } = await this.apis.network.ask<{ floatingip: FloatingIpFacts }>(caller, 'POST', '/v2.0/floatingips', { floatingip: { floating_network_id: pool.id } }).catch(refusedAllocation);
    return { floating_ip: view(floatingip, [pool]) };
  }

  @Delete(':id')
  @HttpCode(202)
  @Served(1, 35)
  @Authorize('os_compute_api:os-floating-ips:delete')
  async remove(@Param('id') id: string, @Caller() caller: RequestContext) {
    await this.ask(caller, 'DELETE', id);
  }

  private ask(caller: RequestContext, method: string, id: string): Promise<{ floatingip: FloatingIpFacts }> {
    return this.apis.network.ask<{ floatingip: FloatingIpFacts }>(caller, method, `/v2.0/floatingips/${segment(id)}`).catch((error: unknown) => {
      throw error instanceof CloudError && error.kind === 'notFound' ? notFound(`Floating IP not found for ID ${id}`) : error;
    });
  }
}

@Controller(under('os-floating-ip-pools'))
export class FloatingIpPoolsController {
  constructor(@Inject(NEIGHBOUR_APIS) private readonly apis: NeighbourApis) {}

  @Get()
  @Served(1, 35)
  @Authorize('os_compute_api:os-floating-ip-pools')
  async list(@Caller() caller: RequestContext) {
    return { floating_ip_pools: (await pools(this.apis, caller)).map((pool) => ({ name: poolName(pool) })) };
  }
}
