import { randomBytes } from 'node:crypto';
import { badRequest, conflict, newUuid } from '@virga/core';
import { isDuplicateKey, type Insertable, type Updateable } from '@virga/db';
import { canonicalMac } from '@virga/domain';
import type { Trx } from '../api/collection';
import type { PortTable } from '../db/tables';
import { queueSync } from '../ovn/sync-queue';
import { allocateAddresses, type FixedIpRequest } from './fixed-ips';

/** Prefix of the MACs that are made here; the one that OpenStack clouds use. */
const MAC_PREFIX = 'fa:16:3e';
export const randomMac = (): string => `${MAC_PREFIX}:${[...randomBytes(3)].map((octet) => octet.toString(16).padStart(2, '0')).join(':')}`;

export interface NewPort extends Omit<Insertable<PortTable>, 'id' | 'mac_address' | 'status' | 'name' | 'description'> {
  name?: string;
  description?: string;
  /** Made when absent. */
  mac_address?: string | undefined;
  /** Chosen when absent. */
  id?: string;
}

/** Device owners that only the service itself gives: such a port is not an ordinary card. */
export const RESERVED_OWNERS = new Set(['network:router_interface', 'network:router_gateway', 'network:floatingip', 'network:distributed']);

export function readMac(text: string): string {
  const mac = canonicalMac(text);
  if (!mac) throw badRequest(`Invalid input for mac_address. Reason: '${text}' is not a valid MAC address.`, { type: 'HTTPBadRequest' });
  return mac;
}

export const macInUse = (networkId: string, mac: string) =>
  conflict(`Unable to complete operation for network ${networkId}. The mac address ${mac} is in use.`, { type: 'MacAddressInUse' });

/** True when the network has a card of this MAC already. */
export const isMacConflict = (error: unknown): boolean =>
  isDuplicateKey(error) && String((error as { sqlMessage?: string }).sqlMessage).includes('ports_mac');

/** Inserts a port with its addresses. `fixedIps` absent: the network decides; empty: none. */
export async function insertPort(trx: Trx, port: NewPort, fixedIps: readonly FixedIpRequest[] | undefined): Promise<string> {
  const id = port.id ?? newUuid();
  for (let attempt = 1; ; attempt++) {
    const macAddress = port.mac_address ?? randomMac();
    try {
      await trx.insertInto('ports').values({ name: '', description: '', ...port, id, mac_address: macAddress, status: 'DOWN', revision_number: 1 }).execute();
      await allocateAddresses(trx, { portId: id, networkId: port.network_id, macAddress, deviceOwner: port.device_owner }, fixedIps);
      break;
    } catch (error) {
      if (!isMacConflict(error)) throw error;
      if (port.mac_address !== undefined || attempt === 8) throw macInUse(port.network_id, macAddress);
    }
  }
  await queueSync(trx, 'port', id);
  return id;
}

/** Deletes a port with its addresses; a floating IP on it stays with its project, without a port. */
export async function deletePort(trx: Trx, id: string): Promise<void> {
  const floating = await trx.selectFrom('floatingips').select('id').where('port_id', '=', id).execute();
  if (floating.length > 0) {
    await trx.updateTable('floatingips').set((eb) => ({
      port_id: null, fixed_ip_address: null, router_id: null, status: 'DOWN', revision_number: eb('revision_number', '+', 1), updated_at: new Date(),
    })).where('port_id', '=', id).execute();
    await queueSync(trx, 'floatingip', floating.map((row) => row.id));
  }
  await trx.deleteFrom('ports').where('id', '=', id).execute();
  await queueSync(trx, 'port', id);
}

/** Changes a port, or only marks it as changed, and has its northbound rows written again. */
export async function touchPort(trx: Trx, id: string, changes: Updateable<PortTable> = {}): Promise<void> {
  await trx.updateTable('ports').set((eb) => ({ ...changes, revision_number: eb('revision_number', '+', 1), updated_at: new Date() })).where('id', '=', id).execute();
  await queueSync(trx, 'port', id);
}

export const metadataDeviceId = (networkId: string): string => `ovnmeta-${networkId}`;

/** The port by which every host of a network serves the metadata service; it belongs to no project. */
export function createMetadataPort(trx: Trx, networkId: string): Promise<string> {
  return insertPort(trx, {
    project_id: '', network_id: networkId, admin_state_up: 1, device_id: metadataDeviceId(networkId), device_owner: 'network:distributed', port_security_enabled: 0,
  }, []);
}

const metadataPort = (trx: Trx, networkId: string) => trx.selectFrom('ports').select(['id', 'mac_address'])
  .where('network_id', '=', networkId).where('device_owner', '=', 'network:distributed').executeTakeFirst();

/** Gives the metadata port an address of the subnet; a subnet too small for one is served without. */
export async function addMetadataAddress(trx: Trx, networkId: string, subnetId: string): Promise<void> {
  const port = await metadataPort(trx, networkId);
  if (!port) return;
  const count = await trx.selectFrom('ip_allocations').select('position').where('port_id', '=', port.id).orderBy('position', 'desc').limit(1).executeTakeFirst();
  try {
    await allocateAddresses(trx, { portId: port.id, networkId, macAddress: port.mac_address, deviceOwner: 'network:distributed' }, [{ subnet_id: subnetId }], (count?.position ?? -1) + 1);
  } catch (error) {
    if ((error as { type?: string }).type !== 'IpAddressGenerationFailure') throw error;
  }
  await touchPort(trx, port.id);
}

export async function dropMetadataAddress(trx: Trx, networkId: string, subnetId: string): Promise<void> {
  const port = await metadataPort(trx, networkId);
  if (!port) return;
  await trx.deleteFrom('ip_allocations').where('port_id', '=', port.id).where('subnet_id', '=', subnetId).execute();
  await touchPort(trx, port.id);
}
