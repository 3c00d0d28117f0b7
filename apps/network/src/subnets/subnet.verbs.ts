import { badRequest, conflict, newUuid, type RequestContext } from '@virga/core';
import { sql, type Insertable } from '@virga/db';
import { cidrsOverlap, formatCidr, parseCidr, type Cidr } from '@virga/domain';
import { encodeColumns, type InputOf } from '../api/attributes';
import type { Row, Trx } from '../api/collection';
import type { SubnetTable } from '../db/tables';
import { visibleNetwork } from '../networks/visible-network';
import { queueSync } from '../ovn/sync-queue';
import { addMetadataAddress, dropMetadataAddress } from '../ports/port-rows';
import { claimQuota } from '../quotas/quota-limits';
import { defaultPoolId, takeBlock } from '../subnet-pools/allocate-subnet';
import { SUBNET_ATTRIBUTES } from './subnet.attributes';
import { checkIpv6Modes, readCidr, readGateway, readNameservers, readPools, readRoutes, readServiceTypes } from './subnet.rules';

type Input = InputOf<typeof SUBNET_ATTRIBUTES>;

async function assertNoOverlap(trx: Trx, networkId: string, cidr: Cidr): Promise<void> {
  const others = await trx.selectFrom('subnets').select('cidr').where('network_id', '=', networkId).execute();
  if (others.some((other) => cidrsOverlap(parseCidr(other.cidr)!, cidr))) {
    throw badRequest(`Invalid input for operation: Requested subnet with cidr: ${formatCidr(cidr)} for network: ${networkId} overlaps with another subnet.`, { type: 'InvalidInput' });
  }
}

/** The block of a subnet that comes from a pool; undefined when it does not. */
async function fromPool(trx: Trx, caller: RequestContext, input: Input): Promise<{ cidr: string; version: 4 | 6; poolId: string } | undefined> {
  if (input.use_default_subnetpool && input.subnetpool_id) throw badRequest('Bad subnets request: subnetpool_id and use_default_subnetpool cannot both be specified.', { type: 'BadRequest' });
  const poolId = input.use_default_subnetpool ? await defaultPoolId(trx, input.ip_version) : input.subnetpool_id;
  if (!poolId) {
    if (input.prefixlen !== undefined) throw badRequest('Bad subnets request: prefixlen can only be specified with a subnetpool.', { type: 'BadRequest' });
    await assertNoPool(trx, input);
    return undefined;
  }
  if (input.cidr !== undefined && input.prefixlen !== undefined) throw badRequest('Bad subnets request: cidr and prefixlen must not be supplied together.', { type: 'BadRequest' });
  const request = { projectId: input.project_id!, networkId: input.network_id!, poolId, version: input.ip_version, prefixLength: input.prefixlen, cidr: input.cidr };
  return { ...(await takeBlock(trx, caller, request)), poolId };
}

/** All subnets of a network and IP version come from one pool, or none does. */
async function assertNoPool(trx: Trx, input: Input): Promise<void> {
  const other = await trx.selectFrom('subnets').select('id').where('network_id', '=', input.network_id!).where('ip_version', '=', input.ip_version ?? 4).where('subnetpool_id', 'is not', null).executeTakeFirst();
  if (other) throw badRequest('Subnets hosted on the same network must be allocated from the same subnet pool.', { type: 'NetworkSubnetPoolAffinityError' });
}

export async function createSubnet(trx: Trx, caller: RequestContext, given: Record<string, unknown>): Promise<string> {
  const input = given as Input;
  const network = await visibleNetwork(trx, caller, input.network_id!, true);
  const taken = await fromPool(trx, caller, input);
  const version = taken?.version ?? input.ip_version;
  if (version === undefined) throw badRequest("Failed to parse request. Required attribute 'ip_version' not specified", { type: 'HTTPBadRequest' });
  const [raMode, addressMode] = [input.ipv6_ra_mode ?? null, input.ipv6_address_mode ?? null];
  checkIpv6Modes(version, raMode, addressMode, input.enable_dhcp!);
  const cidr = readCidr(taken?.cidr ?? input.cidr, version, addressMode);
  await assertNoOverlap(trx, network.id, cidr);
  const gateway = readGateway(cidr, input.gateway_ip);
  const pools = readPools(cidr, gateway, input.allocation_pools);
  await claimQuota(trx, 'subnet', input.project_id!);
  const id = newUuid();
  const columns = {
    ...encodeColumns(SUBNET_ATTRIBUTES, {
      ...input, ip_version: version, subnetpool_id: taken?.poolId ?? null, service_types: readServiceTypes(input.service_types!), cidr: formatCidr(cidr), gateway_ip: gateway, allocation_pools: pools,
      dns_nameservers: readNameservers(input.dns_nameservers!), host_routes: readRoutes(input.host_routes!, 'host_routes', version),
    }),
    id,
  };
  await trx.insertInto('subnets').values(columns as unknown as Insertable<SubnetTable>).execute();
  if (input.enable_dhcp) await addMetadataAddress(trx, network.id, id);
  await touchNetwork(trx, network.id);
  await queueSync(trx, 'subnet', id);
  return id;
}

/** A network's list of subnets is part of it: a change of that raises its revision. */
async function touchNetwork(trx: Trx, id: string): Promise<void> {
  await trx.updateTable('networks').set((eb) => ({ revision_number: eb('revision_number', '+', 1), updated_at: new Date() })).where('id', '=', id).execute();
  await queueSync(trx, 'network', id);
}

export async function updateSubnet(trx: Trx, row: Row, given: Record<string, unknown>): Promise<void> {
  const input = given as Input;
  const cidr = parseCidr(row.cidr as string)!;
  const changes: Record<string, unknown> = { ...input };
  if (input.gateway_ip !== undefined) {
    changes.gateway_ip = readGateway(cidr, input.gateway_ip);
    if (changes.gateway_ip !== row.gateway_ip) await assertGatewayFree(trx, row);
  }
  if (input.allocation_pools || input.gateway_ip) {
    const gateway = (input.gateway_ip === undefined ? row.gateway_ip : changes.gateway_ip) as string | null;
    changes.allocation_pools = readPools(cidr, gateway, input.allocation_pools ?? (JSON.parse(row.allocation_pools as string) as { start: string; end: string }[]));
  }
  if (input.dns_nameservers) changes.dns_nameservers = readNameservers(input.dns_nameservers);
  if (input.service_types) changes.service_types = readServiceTypes(input.service_types);
  if (input.host_routes) changes.host_routes = readRoutes(input.host_routes, 'host_routes', cidr.version);
  if (input.enable_dhcp === false) checkIpv6Modes(cidr.version, row.ipv6_ra_mode as string | null, row.ipv6_address_mode as string | null, false);
  await trx.updateTable('subnets').set((eb) => ({
    ...encodeColumns(SUBNET_ATTRIBUTES, changes), revision_number: eb('revision_number', '+', 1), updated_at: new Date(),
  })).where('id', '=', row.id).execute();
  await queueSync(trx, 'subnet', row.id);
  const dhcp = input.enable_dhcp;
  if (dhcp !== undefined && dhcp !== Boolean(row.enable_dhcp)) {
    if (dhcp) await addMetadataAddress(trx, row.network_id as string, row.id);
    else await dropMetadataAddress(trx, row.network_id as string, row.id);
    const ports = await trx.selectFrom('ip_allocations').select('port_id').distinct().where('subnet_id', '=', row.id).execute();
    await queueSync(trx, 'port', ports.map(({ port_id }) => port_id));
  }
  const own = await trx.selectFrom('ip_allocations as a').innerJoin('ports as p', 'p.id', 'a.port_id').select('p.id').distinct()
    .where('a.subnet_id', '=', row.id).where('p.extra_dhcp_opts', '!=', '[]').execute();
  await queueSync(trx, 'port', own.map(({ id }) => id));
  await queueRouters(trx, row.id);
}

async function assertGatewayFree(trx: Trx, row: Row): Promise<void> {
  const used = await trx.selectFrom('ip_allocations as a').innerJoin('ports as p', 'p.id', 'a.port_id').select('p.id')
    .where('a.subnet_id', '=', row.id).where('a.address', '=', (row.gateway_ip as string | null) ?? '').where('p.device_owner', '=', 'network:router_interface').executeTakeFirst();
  if (used) throw conflict(`Gateway ip ${row.gateway_ip as string} is already in use by port ${used.id}. Unable to update.`, { type: 'GatewayIpInUse' });
}

/** Routers that reach this subnet, as their routes and advertisements depend on it. */
async function queueRouters(trx: Trx, subnetId: string): Promise<void> {
  const { rows } = await sql<{ id: string }>`
    select i.router_id as id from router_interfaces i join ip_allocations a on a.port_id = i.port_id where a.subnet_id = ${subnetId}
    union select r.id from routers r join ip_allocations a on a.port_id = r.gateway_port_id where a.subnet_id = ${subnetId}`.execute(trx);
  await queueSync(trx, 'router', rows.map(({ id }) => id));
}

/** Ports whose addresses go with the subnet: nobody asked for them. */
const AUTOMATIC = ['network:distributed'];

export async function removeSubnet(trx: Trx, row: Row): Promise<void> {
  await trx.selectFrom('networks').select('id').where('id', '=', row.network_id as string).forUpdate().execute();
  const users = await trx.selectFrom('ip_allocations as a').innerJoin('ports as p', 'p.id', 'a.port_id').select(['p.id', 'p.device_owner'])
    .where('a.subnet_id', '=', row.id).execute();
  const slaac = row.ipv6_address_mode === 'slaac' || row.ipv6_address_mode === 'dhcpv6-stateless';
  const keeping = users.filter(({ device_owner }) => !AUTOMATIC.includes(device_owner) && (!slaac || device_owner.startsWith('network:router')));
  if (keeping.length > 0) {
    throw conflict(`Unable to complete operation on subnet ${row.id}: One or more ports have an IP allocation from this subnet.`, { type: 'SubnetInUse' });
  }
  await trx.deleteFrom('ip_allocations').where('subnet_id', '=', row.id).execute();
  await trx.deleteFrom('subnets').where('id', '=', row.id).execute();
  await touchNetwork(trx, row.network_id as string);
  await queueSync(trx, 'port', users.map(({ id }) => id));
  await queueSync(trx, 'subnet', row.id);
}
