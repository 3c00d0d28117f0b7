import { badRequest, conflict, newUuid } from '@virga/core';
import { isDuplicateKey, type Insertable } from '@virga/db';
import { encodeColumns, type InputOf } from '../api/attributes';
import type { Row, Trx } from '../api/collection';
import type { NetworkTable } from '../db/tables';
import { queueSync } from '../ovn/sync-queue';
import { createMetadataPort, deletePort } from '../ports/port-rows';
import { dropGrants, openToAll } from '../rbac-policies/grants';
import { claimQuota } from '../quotas/quota-limits';
import { NETWORK_ATTRIBUTES } from './network.attributes';

export interface NetworkSettings {
  /** Physical networks that hosts have a bridge for. */
  physicalNetworks: readonly string[];
  /** MTU of the network between the hosts, bytes. */
  underlayMtu: number;
  availabilityZone: string;
}

type Input = InputOf<typeof NETWORK_ATTRIBUTES>;
interface Segment { type: string; physicalNetwork: string | null; id: number | null }

/** Geneve's header over IPv4 with OVN's option takes 58 bytes of the underlay's MTU. */
const TUNNEL_OVERHEAD = 58;
const GENEVE_MAX = 65535;
const refuse = (message: string) => badRequest(`Invalid input for operation: ${message}`, { type: 'InvalidInput' });

const segmentKey = ({ type, physicalNetwork, id }: Segment): string => `${type}:${physicalNetwork ?? ''}:${id ?? ''}`;

function knownPhysical(settings: NetworkSettings, type: string, physicalNetwork: string | null): string {
  if (!physicalNetwork) throw refuse(`physical_network required for ${type} provider network.`);
  if (!settings.physicalNetworks.includes(physicalNetwork)) throw refuse(`physical_network '${physicalNetwork}' unknown for ${type} provider network.`);
  return physicalNetwork;
}

const SEGMENT_READERS: Record<string, (settings: NetworkSettings, physicalNetwork: string | null, id: number | null) => Segment> = {
  geneve(_settings, physicalNetwork, id) {
    if (physicalNetwork) throw refuse('provider:physical_network specified for geneve network.');
    if (id !== null && (id < 1 || id > GENEVE_MAX)) throw refuse(`segmentation_id out of range (1 through ${GENEVE_MAX}).`);
    return { type: 'geneve', physicalNetwork: null, id: id ?? 1 + Math.floor(Math.random() * GENEVE_MAX) };
  },
  flat(settings, physicalNetwork, id) {
    if (id !== null) throw refuse('segmentation_id prohibited for flat provider network.');
    return { type: 'flat', physicalNetwork: knownPhysical(settings, 'flat', physicalNetwork), id: null };
  },
  vlan(settings, physicalNetwork, id) {
    const known = knownPhysical(settings, 'vlan', physicalNetwork);
    if (id === null || id < 1 || id > 4094) throw refuse('segmentation_id out of range (1 through 4094).');
    return { type: 'vlan', physicalNetwork: known, id };
  },
};

const SEGMENT_CONFLICTS: Record<string, (segment: Segment) => Error> = {
  geneve: ({ id }) => conflict(`Unable to create the network. The tunnel ID ${id} is in use.`, { type: 'TunnelIdInUse' }),
  flat: ({ physicalNetwork }) => conflict(`Unable to create the flat network. Physical network ${physicalNetwork} is in use.`, { type: 'FlatNetworkInUse' }),
  vlan: ({ physicalNetwork, id }) => conflict(`Unable to create the network. The VLAN ${id} on physical network ${physicalNetwork} is in use.`, { type: 'VlanIdInUse' }),
};

export async function createNetwork(trx: Trx, settings: NetworkSettings, given: Record<string, unknown>): Promise<string> {
  const input = given as Input;
  const projectId = input.project_id!;
  await claimQuota(trx, 'network', projectId);
  const type = input['provider:network_type'] ?? 'geneve';
  const reader = Object.hasOwn(SEGMENT_READERS, type) ? SEGMENT_READERS[type]! : undefined;
  if (!reader) throw refuse(`network_type value '${type}' not supported.`);
  const asked = input['provider:segmentation_id'] ?? null;
  const largestMtu = type === 'geneve' ? settings.underlayMtu - TUNNEL_OVERHEAD : settings.underlayMtu;
  const mtu = input.mtu || largestMtu;
  if (mtu > largestMtu) throw refuse(`Requested MTU is too big, maximum is ${largestMtu}.`);
  const id = newUuid();
  for (let attempt = 1; ; attempt++) {
    const segment = reader(settings, input['provider:physical_network'] ?? null, asked);
    const columns = {
      ...encodeColumns(NETWORK_ATTRIBUTES, { ...input, mtu, 'provider:network_type': segment.type, 'provider:physical_network': segment.physicalNetwork, 'provider:segmentation_id': segment.id }),
      id, segment_key: segmentKey(segment), revision_number: 1,
    };
    try {
      await trx.insertInto('networks').values(columns as unknown as Insertable<NetworkTable>).execute();
      break;
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      if (asked !== null || type !== 'geneve' || attempt === 50) throw SEGMENT_CONFLICTS[type]!(segment);
    }
  }
  const self = { id, project_id: projectId };
  if (input.shared) await openToAll(trx, 'network', self, 'access_as_shared', true);
  if (input['router:external']) await openToAll(trx, 'network', self, 'access_as_external', true);
  await queueSync(trx, 'network', id);
  await createMetadataPort(trx, id);
  return id;
}

export async function updateNetwork(trx: Trx, row: Row, given: Record<string, unknown>): Promise<void> {
  const input = given as Input;
  const largestMtu = row.provider_network_type === 'geneve' ? 65535 - TUNNEL_OVERHEAD : 65535;
  if (input.mtu !== undefined && (input.mtu < 68 || input.mtu > largestMtu)) throw refuse(`Requested MTU must lie between 68 and ${largestMtu}.`);
  if (input.shared !== undefined && input.shared !== Boolean(row.shared)) await openToAll(trx, 'network', row as never, 'access_as_shared', input.shared);
  if (input['router:external'] === false && row.external) {
    const used = await trx.selectFrom('floatingips').select('id').where('floating_network_id', '=', row.id).executeTakeFirst()
      ?? await trx.selectFrom('ports').select('id').where('network_id', '=', row.id).where('device_owner', '=', 'network:router_gateway').executeTakeFirst();
    if (used) throw conflict(`External network ${row.id} cannot be updated to be made non-external, since it has existing gateway ports.`, { type: 'ExternalNetworkInUse' });
  }
  if (input['router:external'] !== undefined && input['router:external'] !== Boolean(row.external)) {
    if (input['router:external']) await openToAll(trx, 'network', row as never, 'access_as_external', true);
    else await trx.deleteFrom('rbac_policies').where('object_type', '=', 'network').where('object_id', '=', row.id).where('action', '=', 'access_as_external').execute();
  }
  await trx.updateTable('networks').set((eb) => ({
    ...encodeColumns(NETWORK_ATTRIBUTES, input), revision_number: eb('revision_number', '+', 1), updated_at: new Date(),
  })).where('id', '=', row.id).execute();
  await queueSync(trx, 'network', row.id);
  const depend = input.mtu !== undefined || input['router:external'] !== undefined;
  if (depend) await queueSync(trx, 'subnet', (await trx.selectFrom('subnets').select('id').where('network_id', '=', row.id).execute()).map(({ id }) => id));
}

/** Deletes the network with its subnets and the floating IPs that lead nowhere, unless somebody's ports are on it: then their ids are returned and nothing happened. */
export async function removeNetwork(trx: Trx, id: string): Promise<string[]> {
  const ports = await trx.selectFrom('ports').select(['id', 'device_owner']).where('network_id', '=', id).execute();
  const floating = await trx.selectFrom('floatingips').select(['id', 'floating_port_id', 'port_id']).where('floating_network_id', '=', id).forUpdate().execute();
  const idle = new Set(floating.filter(({ port_id }) => port_id === null).map(({ floating_port_id }) => floating_port_id));
  const inUse = ports.filter((port) => port.device_owner !== 'network:distributed' && !idle.has(port.id));
  if (inUse.length > 0) return inUse.map((port) => port.id);
  if (floating.length > 0) await trx.deleteFrom('floatingips').where('floating_network_id', '=', id).execute();
  await queueSync(trx, 'floatingip', floating.map((row) => row.id));
  for (const port of ports) await deletePort(trx, port.id);
  const subnets = await trx.selectFrom('subnets').select('id').where('network_id', '=', id).execute();
  await trx.deleteFrom('subnets').where('network_id', '=', id).execute();
  await queueSync(trx, 'subnet', subnets.map((subnet) => subnet.id));
  await trx.deleteFrom('networks').where('id', '=', id).execute();
  await dropGrants(trx, 'network', id);
  await queueSync(trx, 'network', id);
  return [];
}
