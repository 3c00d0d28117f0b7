import { badRequest, conflict, newUuid, notFound, type RequestContext } from '@virga/core';
import { isDuplicateKey, sql } from '@virga/db';
import { canonicalAddress } from '@virga/domain';
import type { InputOf } from '../api/attributes';
import type { Collection, Row, Trx, View } from '../api/collection';
import { visibleNetwork } from '../networks/visible-network';
import { queueSync } from '../ovn/sync-queue';
import { deletePort, insertPort } from '../ports/port-rows';
import { claimQuota } from '../quotas/quota-limits';
import { FLOATING_IP_ATTRIBUTES } from './floating-ip.attributes';

type Input = InputOf<typeof FLOATING_IP_ATTRIBUTES>;
interface Association { port_id: string | null; fixed_ip_address: string | null; router_id: string | null; status: 'ACTIVE' | 'DOWN' }
interface FloatingIdentity { id: string; project_id: string; floating_network_id: string; floating_ip_address: string }

const NOWHERE: Association = { port_id: null, fixed_ip_address: null, router_id: null, status: 'DOWN' };
const badFloatingRequest = (message: string) => badRequest(`Bad floatingip request: ${message}.`, { type: 'BadRequest' });

/** The address of the port that the floating IP shall lead to, with its subnet. */
async function fixedAddress(trx: Trx, portId: string, asked: string | null | undefined): Promise<{ address: string; subnetId: string }> {
  const addresses = await trx.selectFrom('ip_allocations as a').innerJoin('subnets as s', 's.id', 'a.subnet_id').select(['a.address', 's.id as subnetId'])
    .where('a.port_id', '=', portId).where('s.ip_version', '=', 4).orderBy('a.position').execute();
  if (asked) {
    const found = addresses.find(({ address }) => address === canonicalAddress(asked));
    if (!found) throw badFloatingRequest(`Port ${portId} does not have fixed ip ${asked}`);
    return found;
  }
  if (addresses.length === 0) throw badFloatingRequest(`Cannot add floating IP to port ${portId} that has no fixed IPv4 addresses`);
  if (addresses.length > 1) throw badFloatingRequest(`Port ${portId} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP`);
  return addresses[0]!;
}

/** The router that joins the subnet to the external network, best one of the same project. */
async function routerBetween(trx: Trx, subnetId: string, { project_id: projectId, floating_network_id: externalId }: FloatingIdentity, portId: string): Promise<string> {
  const { rows: [router] } = await sql<{ id: string }>`
    select r.id from routers r join ports g on g.id = r.gateway_port_id
    join router_interfaces i on i.router_id = r.id join ip_allocations a on a.port_id = i.port_id
    where g.network_id = ${externalId} and a.subnet_id = ${subnetId} order by r.project_id = ${projectId} desc, r.id limit 1 lock in share mode`.execute(trx);
  if (!router) {
    throw notFound(`External network ${externalId} is not reachable from subnet ${subnetId}.  Therefore, cannot associate Port ${portId} with a Floating IP.`, { type: 'ExternalGatewayForFloatingIPNotFound' });
  }
  return router.id;
}

async function associate(trx: Trx, caller: RequestContext, floating: FloatingIdentity, portId: string, fixedIp: string | null | undefined): Promise<Association> {
  const port = await trx.selectFrom('ports').select(['id', 'project_id']).where('id', '=', portId).forUpdate().executeTakeFirst();
  const allowed = port && (port.project_id === floating.project_id || caller.roleNames.has('admin'));
  if (!allowed) throw notFound(`Port ${portId} could not be found.`, { type: 'PortNotFound' });
  const { address, subnetId } = await fixedAddress(trx, portId, fixedIp);
  const other = await trx.selectFrom('floatingips').select('id').where('floating_network_id', '=', floating.floating_network_id)
    .where('port_id', '=', portId).where('fixed_ip_address', '=', address).where('id', '!=', floating.id).executeTakeFirst();
  if (other) throw alreadyAssociated(floating, portId, address);
  return { port_id: portId, fixed_ip_address: address, router_id: await routerBetween(trx, subnetId, floating, portId), status: 'ACTIVE' };
}

const alreadyAssociated = (floating: FloatingIdentity, portId: string, address: string) => conflict(
  `Cannot associate floating IP ${floating.floating_ip_address} (${floating.id}) with port ${portId} using fixed IP ${address}, as that fixed IP already has a floating IP on external network ${floating.floating_network_id}.`,
  { type: 'FloatingIPPortAlreadyAssociated' });

async function createFloatingIp(trx: Trx, caller: RequestContext, given: Record<string, unknown>): Promise<string> {
  const input = given as Input;
  const network = await visibleNetwork(trx, caller, input.floating_network_id!);
  if (!network.external) throw badFloatingRequest(`Network ${network.id} is not a valid external network`);
  await claimQuota(trx, 'floatingip', input.project_id!);
  const subnets = await trx.selectFrom('subnets').select('id').where('network_id', '=', network.id).where('ip_version', '=', 4).execute();
  if (subnets.length === 0) throw badFloatingRequest(`Network ${network.id} does not contain any IPv4 subnet`);
  const id = newUuid();
  const asked = { ...(input.subnet_id && { subnet_id: input.subnet_id }), ...(input.floating_ip_address && { ip_address: input.floating_ip_address }) };
  const choices = Object.keys(asked).length > 0 ? [asked] : subnets.map((subnet) => ({ subnet_id: subnet.id }));
  const floatingPortId = await insertFloatingPort(trx, network.id, id, choices);
  const { address } = await trx.selectFrom('ip_allocations').select('address').where('port_id', '=', floatingPortId).executeTakeFirstOrThrow();
  const floating = { id, project_id: input.project_id!, floating_network_id: network.id, floating_ip_address: address };
  const association = input.port_id ? await associate(trx, caller, floating, input.port_id, input.fixed_ip_address) : NOWHERE;
  try {
    await trx.insertInto('floatingips').values({ ...floating, ...association, name: '', description: input.description!, floating_port_id: floatingPortId }).execute();
  } catch (error) {
    throw isDuplicateKey(error) ? alreadyAssociated(floating, association.port_id!, association.fixed_ip_address!) : error;
  }
  await queueSync(trx, 'floatingip', id);
  return id;
}

/** Holds the address on the external network; of several subnets the first that has one left. */
async function insertFloatingPort(trx: Trx, networkId: string, floatingIpId: string, choices: object[]): Promise<string> {
  for (const [index, choice] of choices.entries()) {
    await sql`savepoint floating_port`.execute(trx);
    try {
      return await insertPort(trx, {
        project_id: '', network_id: networkId, admin_state_up: 1, device_id: floatingIpId, device_owner: 'network:floatingip', port_security_enabled: 0,
      }, [choice]);
    } catch (error) {
      if (index === choices.length - 1 || (error as { type?: string }).type !== 'IpAddressGenerationFailure') throw error;
      await sql`rollback to savepoint floating_port`.execute(trx);
    }
  }
  throw new Error('A floating IP needs a subnet to choose from.');
}

async function updateFloatingIp(trx: Trx, caller: RequestContext, row: Row, given: Record<string, unknown>): Promise<void> {
  const input = given as Input;
  const floating = row as unknown as FloatingIdentity & Association;
  const moves = input.port_id !== undefined || input.fixed_ip_address !== undefined;
  const portId = input.port_id === undefined ? floating.port_id : input.port_id;
  if (portId === null && input.fixed_ip_address) throw badFloatingRequest('fixed_ip_address cannot be specified without a port_id');
  const association = !moves ? {} : portId === null ? NOWHERE : await associate(trx, caller, floating, portId, input.fixed_ip_address);
  try {
    await trx.updateTable('floatingips').set((eb) => ({
      ...association, ...(input.description !== undefined && { description: input.description }), revision_number: eb('revision_number', '+', 1), updated_at: new Date(),
    })).where('id', '=', row.id).execute();
  } catch (error) {
    throw isDuplicateKey(error) ? alreadyAssociated(floating, portId!, (association as Association).fixed_ip_address!) : error;
  }
  await queueSync(trx, 'floatingip', row.id);
}

async function removeFloatingIp(trx: Trx, row: Row): Promise<void> {
  await trx.deleteFrom('floatingips').where('id', '=', row.id).execute();
  await deletePort(trx, row.floating_port_id as string);
  await queueSync(trx, 'floatingip', row.id);
}

export const floatingIpCollection: Collection = {
  table: 'floatingips',
  singular: 'floatingip',
  plural: 'floatingips',
  attributes: FLOATING_IP_ATTRIBUTES,
  missing: { type: 'FloatingIPNotFound', message: (id) => `Floating IP ${id} could not be found` },
  visible: (caller) => (caller.roleNames.has('admin') ? undefined : sql<boolean>`project_id = ${caller.project?.id ?? null}`),
  target: async (_db, row) => ({ projectId: row.project_id as string }),
  async extend(db, rows) {
    const ids = rows.flatMap((row) => (row.port_id as string | null) ?? []);
    const ports = ids.length === 0 ? [] : await db.selectFrom('ports')
      .select(['id', 'name', 'network_id', 'mac_address', 'admin_state_up', 'status', 'device_id', 'device_owner']).where('id', 'in', ids).execute();
    const byId = new Map(ports.map(({ id, ...details }) => [id, { ...details, admin_state_up: Boolean(details.admin_state_up) }]));
    return rows.map((row): View => ({ port_details: byId.get((row.port_id as string | null) ?? '') ?? null }));
  },
  create: createFloatingIp,
  update: updateFloatingIp,
  remove: (trx, _caller, row) => removeFloatingIp(trx, row),
};
