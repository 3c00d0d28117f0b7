import type { RequestedNetwork } from '@virga/contracts';
import { CloudError, conflict, type RequestContext } from '@virga/core';
import { isDuplicateKey } from '@virga/db';
import { withDefaults } from '../api/attributes';
import type { Trx } from '../api/collection';
import type { CollectionVerbs } from '../api/verbs';
import { visibleNetwork } from '../networks/visible-network';
import { deletePort, touchPort } from '../ports/port-rows';
import { PORT_ATTRIBUTES } from '../ports/port.attributes';
import { portCollection } from '../ports/port.collection';
import { createPortOn } from '../ports/port.verbs';
import { assertAttachable, portInUse, portNotFound } from './resolve-requested';

export interface AllocateRequest {
  instanceId: string;
  availabilityZone: string;
  networks: RequestedNetwork[];
  securityGroupIds: string[];
}

/** True when another message for the same instance has made the port in the meantime. */
export const isInstanceConflict = (error: unknown): boolean =>
  isDuplicateKey(error) && String((error as { sqlMessage?: string }).sqlMessage).includes('ports_instance');

/** Over the bus an address that is taken has the name by which compute knows it. */
function busError(error: unknown, networkId: string): unknown {
  if (!(error instanceof CloudError) || error.type !== 'IpAddressAlreadyAllocated') return error;
  const address = /^IP address (\S+)/.exec(error.message)?.[1];
  return conflict(`Unable to complete operation for network ${networkId}. The IP address ${address} is in use.`, { type: 'IpAddressInUse' });
}

async function makePort(trx: Trx, verbs: CollectionVerbs, caller: RequestContext, request: AllocateRequest, wanted: RequestedNetwork, position: number, id?: string): Promise<void> {
  const network = await visibleNetwork(trx, caller, wanted.networkId!);
  assertAttachable(caller, network);
  const secured = Boolean(network.port_security_enabled);
  const given: Record<string, unknown> = {
    network_id: network.id,
    ...(wanted.fixedIp !== undefined && { fixed_ips: [{ ip_address: wanted.fixedIp }] }),
    ...(secured && request.securityGroupIds.length > 0 && { security_groups: request.securityGroupIds }),
  };
  const projectId = caller.project?.id ?? '';
  verbs.enforce(portCollection, caller, 'create', given, { projectId, parentProjectId: network.project_id, parentShared: Boolean(network.shared) });
  const input = withDefaults(PORT_ATTRIBUTES, { ...given, project_id: projectId, device_id: request.instanceId, device_owner: `compute:${request.availabilityZone}` });
  try {
    await createPortOn(trx, caller, network, input, { instance_owned: 1, instance_position: position, ...(id !== undefined && { id }) });
  } catch (error) {
    throw busError(error, network.id);
  }
}

/** Takes a port that the user brought: whoever comes first has it. */
async function takePort(trx: Trx, caller: RequestContext, request: AllocateRequest, portId: string, position: number): Promise<void> {
  const port = await trx.selectFrom('ports').select(['project_id', 'device_id']).where('id', '=', portId).executeTakeFirst();
  if (!port || (port.project_id !== caller.project?.id && !caller.roleNames.has('admin'))) throw portNotFound(portId);
  const taken = await trx.updateTable('ports')
    .set({ device_id: request.instanceId, device_owner: `compute:${request.availabilityZone}`, instance_owned: 0, instance_position: position })
    .where('id', '=', portId).where('device_id', '=', '').where('device_owner', '=', '').executeTakeFirst();
  if (taken.numUpdatedRows === 0n) {
    const now = await trx.selectFrom('ports').select('device_id').where('id', '=', portId).executeTakeFirst();
    // Another message for the same instance was faster.
    if (now?.device_id === request.instanceId) return;
    throw portInUse(portId, now?.device_id ?? port.device_id);
  }
  await touchPort(trx, portId);
}

/** Makes or takes the ports of an instance that it does not have yet; a repeat finds them all there. */
export async function allocatePorts(trx: Trx, verbs: CollectionVerbs, caller: RequestContext, request: AllocateRequest): Promise<void> {
  const existing = await trx.selectFrom('ports').select('instance_position').where('device_id', '=', request.instanceId).where('instance_position', 'is not', null).execute();
  const positions = new Set(existing.map(({ instance_position }) => instance_position));
  for (const [position, wanted] of request.networks.entries()) {
    if (positions.has(position)) continue;
    if (wanted.portId !== undefined) await takePort(trx, caller, request, wanted.portId, position);
    else await makePort(trx, verbs, caller, request, wanted, position);
  }
}

export interface AttachRequest {
  instanceId: string;
  availabilityZone: string;
  network: RequestedNetwork;
  /** Id of the port if one is made. */
  newPortId: string;
}

/** Gives the instance one more port, behind those that it has; a repeat finds it there. Returns the port's id. */
export async function attachPort(trx: Trx, verbs: CollectionVerbs, caller: RequestContext, { network, newPortId, ...instance }: AttachRequest): Promise<string> {
  const portId = network.portId ?? newPortId;
  const there = await trx.selectFrom('ports').select('device_id').where('id', '=', portId).where('device_id', '=', instance.instanceId).where('instance_position', 'is not', null).executeTakeFirst();
  if (there) return portId;
  const last = await trx.selectFrom('ports').select('instance_position').where('device_id', '=', instance.instanceId).where('instance_position', 'is not', null)
    .orderBy('instance_position', 'desc').limit(1).executeTakeFirst();
  const position = (last?.instance_position ?? -1) + 1;
  const request: AllocateRequest = { ...instance, networks: [network], securityGroupIds: [] };
  if (network.portId !== undefined) await takePort(trx, caller, request, portId, position);
  else await makePort(trx, verbs, caller, request, network, position, portId);
  return portId;
}

/** Deletes what was made for the instance and gives back what the user brought; of one port, or of all. */
export async function releasePorts(trx: Trx, instanceId: string, portId?: string): Promise<void> {
  const query = trx.selectFrom('ports').select(['id', 'instance_owned']).where('device_id', '=', instanceId).where('instance_position', 'is not', null);
  const ports = await (portId === undefined ? query : query.where('id', '=', portId)).forUpdate().execute();
  for (const port of ports) {
    if (port.instance_owned) {
      await deletePort(trx, port.id);
      continue;
    }
    await trx.updateTable('ports').set({ device_id: '', device_owner: '', binding_host_id: '', binding_next_host_id: '', binding_profile: '{}', instance_position: null }).where('id', '=', port.id).execute();
    await touchPort(trx, port.id);
  }
}

/** Binds all ports of an instance to a host, and while it moves also to the one to which it is on its way. Their ids, and whether any was bound otherwise. */
export async function bindPorts(trx: Trx, instanceId: string, hostname: string, nextHostname = ''): Promise<{ ids: string[]; changed: boolean }> {
  const ports = await trx.selectFrom('ports').select(['id', 'binding_host_id', 'binding_next_host_id']).where('device_id', '=', instanceId)
    .where('instance_position', 'is not', null).forUpdate().execute();
  const others = ports.filter(({ binding_host_id: host, binding_next_host_id: next }) => host !== hostname || next !== nextHostname);
  for (const port of others) {
    await touchPort(trx, port.id, { binding_host_id: hostname, binding_next_host_id: nextHostname });
  }
  return { ids: ports.map(({ id }) => id), changed: others.length > 0 };
}
