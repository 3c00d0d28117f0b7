import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { sql } from '@virga/db';
import { parsePool, totalSize, type Pool } from '@virga/domain';
import { Authorize } from '@virga/rest';
import { networkNotFound } from '../networks/visible-network';
import type { Query as ListQuery } from '../api/listing';
import { CollectionVerbs } from '../api/verbs';

interface SubnetUse { id: string; name: string; network_id: string; network_name: string; project_id: string; ip_version: number; cidr: string; allocation_pools: string; used: number | string }

/** As many addresses as JSON can say exactly; of IPv6 there may be more. */
const bounded = (count: bigint): number => (count > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(count));
const total = ({ ip_version: version, allocation_pools: pools }: SubnetUse): bigint =>
  totalSize((JSON.parse(pools) as Pool[]).map((pool) => parsePool(version as 4 | 6, pool)!));

function viewOf(subnets: SubnetUse[]) {
  const [first] = subnets;
  return {
    network_id: first!.network_id, network_name: first!.network_name, project_id: first!.project_id, tenant_id: first!.project_id,
    total_ips: bounded(subnets.reduce((sum, subnet) => sum + total(subnet), 0n)),
    used_ips: subnets.reduce((sum, { used }) => sum + Number(used), 0),
    subnet_ip_availability: subnets.map((subnet) => ({
      subnet_id: subnet.id, subnet_name: subnet.name, ip_version: subnet.ip_version, cidr: subnet.cidr, total_ips: bounded(total(subnet)), used_ips: Number(subnet.used),
    })),
  };
}

/** How many addresses of the pools of networks there are, and how many are taken. */
@Controller('v2.0/network-ip-availabilities')
@Authorize('get_network_ip_availability')
export class IpAvailabilityController {
  constructor(@Inject(CollectionVerbs) private readonly verbs: CollectionVerbs) {}

  @Get()
  async list(@Query() query: ListQuery) {
    const wanted = (name: string) => [query[name] ?? []].flat();
    const conditions = (['network_id', 'network_name', 'project_id', 'tenant_id', 'ip_version'] as const).flatMap((name) => {
      const values = wanted(name);
      const column = { network_id: 'n.id', network_name: 'n.name', project_id: 'n.project_id', tenant_id: 'n.project_id', ip_version: 's.ip_version' }[name];
      return values.length > 0 ? [sql`${sql.ref(column)} in (${sql.join(values)})`] : [];
    });
    return { network_ip_availabilities: [...(await this.read(conditions.length > 0 ? sql`where ${sql.join(conditions, sql` and `)}` : sql``)).values()].map(viewOf) };
  }

  @Get(':id')
  async show(@Param('id') id: string) {
    const [subnets] = (await this.read(sql`where n.id = ${id}`)).values();
    if (!subnets) throw networkNotFound(id.slice(0, 100));
    return { network_ip_availability: viewOf(subnets) };
  }

  private async read(where: ReturnType<typeof sql>): Promise<Map<string, SubnetUse[]>> {
    const { rows } = await sql<SubnetUse>`select s.id, s.name, s.ip_version, s.cidr, s.allocation_pools, n.id as network_id, n.name as network_name, n.project_id,
      (select count(*) from ip_allocations a where a.subnet_id = s.id) as used
      from networks n join subnets s on s.network_id = n.id ${where} order by n.id, s.created_at`.execute(this.verbs.db);
    const byNetwork = new Map<string, SubnetUse[]>();
    for (const row of rows) byNetwork.set(row.network_id, [...(byNetwork.get(row.network_id) ?? []), row]);
    return byNetwork;
  }
}
