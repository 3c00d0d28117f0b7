import { badRequest, conflict, type RequestContext } from '@virga/core';
import { encodeColumns, type InputOf } from '../api/attributes';
import type { Row, Trx } from '../api/collection';
import { visibleNetwork, type NetworkRow } from '../networks/visible-network';
import { queueSync } from '../ovn/sync-queue';
import { claimQuota } from '../quotas/quota-limits';
import { ensureDefaultGroup, visibleGroupIds } from '../security-groups/group-rows';
import { mergeDhcpOptions, type DhcpOption } from './dhcp-options';
import { changeAddresses, type FixedIpRequest } from './fixed-ips';
import { deletePort, insertPort, isMacConflict, macInUse, readMac, RESERVED_OWNERS, touchPort, type NewPort } from './port-rows';
import { PORT_ATTRIBUTES } from './port.attributes';
import { readAddressPairs } from './port.rules';
import { checkRouterAddresses } from './router-port';

type Input = InputOf<typeof PORT_ATTRIBUTES>;

function checkOwner(deviceOwner: string | undefined): void {
  if (deviceOwner !== undefined && RESERVED_OWNERS.has(deviceOwner)) {
    throw badRequest(`Invalid input for device_owner. Reason: '${deviceOwner}' is given by the service itself.`, { type: 'HTTPBadRequest' });
  }
}

/** A port without port security is open to everything: groups and address pairs would mean nothing. */
function checkSecurity(enabled: boolean, groups: readonly string[], pairs: readonly unknown[]): void {
  if (enabled) return;
  if (groups.length > 0) throw conflict('Port has security group associated. Cannot disable port security or IP address until security group is removed.', { type: 'PortSecurityPortHasSecurityGroup' });
  if (pairs.length > 0) throw conflict('Port Security must be enabled in order to have allowed address pairs on a port.', { type: 'AddressPairAndPortSecurityRequired' });
}

/** The groups that a port has: those asked for, or the project's default group. */
async function groupsFor(trx: Trx, caller: RequestContext, projectId: string, asked: readonly string[] | null | undefined, secured: boolean): Promise<string[]> {
  if (asked) return visibleGroupIds(trx, caller, asked);
  return secured ? [await ensureDefaultGroup(trx, projectId)] : [];
}

export async function setGroups(trx: Trx, portId: string, groupIds: readonly string[]): Promise<void> {
  await trx.deleteFrom('port_security_groups').where('port_id', '=', portId).execute();
  await addGroups(trx, portId, groupIds);
}

async function addGroups(trx: Trx, portId: string, groupIds: readonly string[]): Promise<void> {
  if (groupIds.length > 0) await trx.insertInto('port_security_groups').values(groupIds.map((security_group_id) => ({ port_id: portId, security_group_id }))).execute();
}

export async function createPort(trx: Trx, caller: RequestContext, given: Record<string, unknown>): Promise<string> {
  const input = given as Input;
  const network = await visibleNetwork(trx, caller, input.network_id!);
  return createPortOn(trx, caller, network, input);
}

/** Makes a port on a network whose use has been allowed. `extra` sets columns that are not the API's. */
export async function createPortOn(trx: Trx, caller: RequestContext, network: NetworkRow, input: Input, extra: Partial<NewPort> = {}): Promise<string> {
  const projectId = input.project_id!;
  checkOwner(input.device_owner);
  await claimQuota(trx, 'port', projectId);
  const secured = input.port_security_enabled ?? Boolean(network.port_security_enabled);
  const groups = await groupsFor(trx, caller, projectId, input.security_groups, secured);
  const pairs = input.allowed_address_pairs ?? [];
  checkSecurity(secured, groups, pairs);
  const macAddress = input.mac_address ? readMac(input.mac_address) : undefined;
  const columns = encodeColumns(PORT_ATTRIBUTES, {
    ...input, mac_address: undefined, allowed_address_pairs: undefined, extra_dhcp_opts: mergeDhcpOptions([], input.extra_dhcp_opts ?? []), port_security_enabled: secured,
    'binding:host_id': input['binding:host_id'] ?? '', 'binding:profile': input['binding:profile'] ?? {},
  });
  const id = await insertPort(trx, { ...columns, ...extra, mac_address: macAddress } as unknown as NewPort, input.fixed_ips as FixedIpRequest[] | undefined);
  if (pairs.length > 0) {
    const { mac_address: own } = await trx.selectFrom('ports').select('mac_address').where('id', '=', id).executeTakeFirstOrThrow();
    await trx.updateTable('ports').set({ allowed_address_pairs: JSON.stringify(readAddressPairs(pairs, own)) }).where('id', '=', id).execute();
  }
  await addGroups(trx, id, groups);
  return id;
}

export async function updatePort(trx: Trx, caller: RequestContext, row: Row, given: Record<string, unknown>): Promise<void> {
  const input = given as Input;
  const owner = row.device_owner as string;
  checkOwner(input.device_owner === owner ? undefined : input.device_owner);
  const identity = input.device_owner !== undefined || input.device_id !== undefined || input.mac_address !== undefined
    || (input.fixed_ips !== undefined && owner !== 'network:router_interface');
  if (RESERVED_OWNERS.has(owner) && identity) throw conflict(`Port ${row.id} belongs to ${owner}; change that instead.`, { type: 'PortInUse' });
  const reassigned = (input.device_id !== undefined && input.device_id !== row.device_id) || (input.device_owner !== undefined && input.device_owner !== owner);
  // Whose card it is, only compute says while an instance has it.
  if (reassigned && row.instance_position !== null) {
    throw conflict(`Unable to complete operation on port ${row.id} for network ${row.network_id as string}. Port already has an attached device ${row.device_id as string}.`, { type: 'PortInUse' });
  }
  const macAddress = input.mac_address ? readMac(input.mac_address) : (row.mac_address as string);
  if (macAddress !== row.mac_address && owner.startsWith('compute:') && row.binding_host_id !== '') {
    throw conflict(`Unable to complete operation on port ${row.id}, port is already bound, port type: ovs, old_mac ${row.mac_address as string}, new_mac ${macAddress}.`, { type: 'PortBound' });
  }
  const secured = input.port_security_enabled ?? Boolean(row.port_security_enabled);
  const current = (await trx.selectFrom('port_security_groups').select('security_group_id').where('port_id', '=', row.id).execute()).map((group) => group.security_group_id);
  const groups = input.security_groups === undefined ? current : await visibleGroupIds(trx, caller, input.security_groups ?? []);
  const pairs = input.allowed_address_pairs === undefined ? undefined : readAddressPairs(input.allowed_address_pairs ?? [], macAddress);
  checkSecurity(secured, groups, pairs ?? (JSON.parse(row.allowed_address_pairs as string) as unknown[]));
  const columns = encodeColumns(PORT_ATTRIBUTES, {
    ...input, mac_address: macAddress, allowed_address_pairs: pairs,
    extra_dhcp_opts: input.extra_dhcp_opts ? mergeDhcpOptions(JSON.parse(row.extra_dhcp_opts as string) as DhcpOption[], input.extra_dhcp_opts) : undefined,
    ...(input['binding:host_id'] === null && { 'binding:host_id': '' }), ...(input['binding:profile'] === null && { 'binding:profile': {} }),
  });
  try {
    await trx.updateTable('ports').set(columns).where('id', '=', row.id).execute();
  } catch (error) {
    throw isMacConflict(error) ? macInUse(row.network_id as string, macAddress) : error;
  }
  if (input.security_groups !== undefined) await setGroups(trx, row.id, groups);
  if (input.fixed_ips) {
    await changeAddresses(trx, { portId: row.id, networkId: row.network_id as string, macAddress, deviceOwner: owner }, input.fixed_ips as FixedIpRequest[]);
    await dropLostFloatingIps(trx, row.id);
    if (owner === 'network:router_interface') await checkRouterAddresses(trx, row.device_id as string, row.id);
  }
  await touchPort(trx, row.id);
}

/** A floating IP that led to an address which the port no longer has leads nowhere. */
async function dropLostFloatingIps(trx: Trx, portId: string): Promise<void> {
  const kept = await trx.selectFrom('ip_allocations').select('address').where('port_id', '=', portId).execute();
  const lost = await trx.selectFrom('floatingips').select('id').where('port_id', '=', portId)
    .where('fixed_ip_address', 'not in', ['', ...kept.map(({ address }) => address)]).execute();
  if (lost.length === 0) return;
  const ids = lost.map(({ id }) => id);
  await trx.updateTable('floatingips').set({ port_id: null, fixed_ip_address: null, router_id: null, status: 'DOWN', updated_at: new Date() }).where('id', 'in', ids).execute();
  await queueSync(trx, 'floatingip', ids);
}

export async function removePort(trx: Trx, row: Row): Promise<void> {
  const owner = row.device_owner as string;
  if (RESERVED_OWNERS.has(owner)) {
    throw conflict(`Port ${row.id} cannot be deleted directly via the port API: has device owner ${owner}.`, { type: 'ServicePortInUse' });
  }
  await deletePort(trx, row.id);
}
