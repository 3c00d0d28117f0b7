import type { OvsdbClient } from '../client';
import { ConstraintViolationError, InvalidRequestError, OvsdbError, ReferentialIntegrityError, WaitTimedOutError } from '../errors';
import type { Stored, Uuid } from '../model';
import type { OvsBridge, OvsInterface, OvsPort, OvsTables } from '../schema/open-vswitch';
import type { Mutation, Transaction } from '../transact';

export type OpenVSwitchClient = Pick<OvsdbClient<OvsTables>, 'transaction' | 'commit'>;

type StringMap = Readonly<Record<string, string>>;

/** ovs-vswitchd could not make the interface, e.g. because its network device does not exist. */
export class PortRejectedError extends OvsdbError {
  constructor(
    readonly port: string,
    reason: string,
  ) {
    super(`${port}: ${reason}`, true);
  }
}

/** What a port shall be. */
export interface PlugRequest {
  readonly bridge: string;
  /** Name of the port, of its interface, and of the network device. */
  readonly name: string;
  /** Keys to set on the interface, e.g. `iface-id`; other keys stay. */
  readonly externalIds: StringMap;
  /** Interface type: empty for a device that exists (a tap, a veth), `internal` to have one made. */
  readonly type?: string;
  /** Milliseconds to wait until ovs-vswitchd has acted; without it only the database is written. */
  readonly appliedWithinMs?: number;
}

/** A port as the host has it. */
export interface PluggedPort {
  readonly name: string;
  readonly bridge: string;
  readonly type: string;
  readonly externalIds: StringMap;
  /** OpenFlow number: `null` until ovs-vswitchd has made the interface, -1 if it failed to. */
  readonly ofport: number | null;
  readonly error: string | null;
  readonly linkState: string | null;
  readonly adminState: string | null;
  readonly portUuid: Uuid;
  readonly interfaceUuid: Uuid;
}

/** What a bridge shall be; properties left out are left alone. */
export interface BridgeRequest {
  readonly name: string;
  /** `system` for the kernel datapath, `netdev` for the userspace one. */
  readonly datapathType?: string;
  readonly failMode?: 'secure' | 'standalone';
  /** Keys to set; other keys stay. */
  readonly externalIds?: StringMap;
  readonly otherConfig?: StringMap;
  readonly appliedWithinMs?: number;
}

const attempts = 4;

/** Another writer came between reading and writing: read again and decide anew. */
async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const raced = error instanceof WaitTimedOutError || error instanceof ConstraintViolationError || error instanceof ReferentialIntegrityError;
      if (!raced || attempt === attempts) throw error;
    }
  }
}

/** Mutations that set keys of a map column; `insert` alone would leave present keys as they are. */
export function setKeys<C extends string>(column: C, values: StringMap): readonly (readonly [C, 'insert' | 'delete', readonly string[] | StringMap])[] {
  return Object.keys(values).length === 0 ? [] : [[column, 'delete', Object.keys(values)], [column, 'insert', values]];
}

function lacksKeys(current: StringMap, wanted: StringMap): boolean {
  return Object.entries(wanted).some(([key, value]) => current[key] !== value);
}

/**
 * Commits; the result waits until ovs-vswitchd has acted on it if asked to. That is apart, so that its
 * WaitTimedOutError is not taken for a lost race. An empty transaction still waits for what is there already.
 */
async function commitApplied(client: OpenVSwitchClient, transaction: Transaction<OvsTables>, appliedWithinMs: number | undefined): Promise<() => Promise<void>> {
  if (appliedWithinMs === undefined) {
    if (transaction.size > 0) await client.commit(transaction);
    return async () => undefined;
  }
  transaction.mutate('Open_vSwitch', [], [['next_cfg', '+=', 1]]);
  const step = transaction.select('Open_vSwitch', [], ['next_cfg']);
  const wanted = (await client.commit(transaction)).rows(step)[0]?.next_cfg;
  if (wanted === undefined) throw new InvalidRequestError('the Open_vSwitch table has no row');
  return async () => {
    const wait = client.transaction();
    wait.wait('Open_vSwitch', { where: [['cur_cfg', '<', wanted]], columns: ['_uuid'], rows: [], until: '==', timeoutMs: appliedWithinMs });
    await client.commit(wait, appliedWithinMs + 5000);
  };
}

/** Makes sure the one row of Open_vSwitch exists and has these external_ids, e.g. `system-id`, `ovn-remote`. */
export function ensureOpenVSwitch(client: OpenVSwitchClient, externalIds: StringMap): Promise<void> {
  return retried(async () => {
    const read = client.transaction();
    const step = read.select('Open_vSwitch', [], ['external_ids']);
    const row = (await client.commit(read)).rows(step)[0];
    const write = client.transaction();
    if (!row) {
      write.requireNone('Open_vSwitch', []);
      write.insert('Open_vSwitch', { external_ids: externalIds });
    } else if (lacksKeys(row.external_ids, externalIds)) {
      write.mutate('Open_vSwitch', row._uuid, setKeys('external_ids', externalIds));
    }
    if (write.size > 0) await client.commit(write);
  });
}

/** Makes sure the bridge exists and is as requested. Resolves to whether anything was changed. */
export async function ensureBridge(client: OpenVSwitchClient, request: BridgeRequest): Promise<boolean> {
  const { changed, applied } = await retried(async () => {
    const read = client.transaction();
    const step = read.select('Bridge', [['name', '==', request.name]]);
    const bridge = (await client.commit(read)).rows(step)[0];
    const write = client.transaction();
    if (bridge) changeBridge(write, bridge, request);
    else insertBridge(write, request);
    return { changed: write.size > 0, applied: await commitApplied(client, write, request.appliedWithinMs) };
  });
  await applied();
  return changed;
}

function insertBridge(write: Transaction<OvsTables>, request: BridgeRequest): void {
  const { name } = request;
  write.requireSome('Open_vSwitch', []);
  write.requireNone('Bridge', [['name', '==', name]]);
  const local = write.insert('Interface', { name, type: 'internal' });
  const port = write.insert('Port', { name, interfaces: [local] });
  const bridge = write.insert('Bridge', {
    name,
    ports: [port],
    datapath_type: request.datapathType,
    fail_mode: request.failMode,
    external_ids: request.externalIds,
    other_config: request.otherConfig,
  });
  write.mutate('Open_vSwitch', [], [['bridges', 'insert', [bridge]]]);
}

function changeBridge(write: Transaction<OvsTables>, bridge: Stored<OvsBridge>, request: BridgeRequest): void {
  const { datapathType = bridge.datapath_type, failMode = bridge.fail_mode, externalIds = {}, otherConfig = {} } = request;
  if (datapathType !== bridge.datapath_type || failMode !== bridge.fail_mode) {
    write.update('Bridge', bridge._uuid, { datapath_type: datapathType, fail_mode: failMode });
  }
  const mutations: Mutation<OvsBridge>[] = [];
  if (lacksKeys(bridge.external_ids, externalIds)) mutations.push(...setKeys('external_ids', externalIds));
  if (lacksKeys(bridge.other_config, otherConfig)) mutations.push(...setKeys('other_config', otherConfig));
  if (mutations.length > 0) write.mutate('Bridge', bridge._uuid, mutations);
}

/** Removes a bridge with its ports. Resolves to whether it was there. */
export async function removeBridge(client: OpenVSwitchClient, name: string): Promise<boolean> {
  const read = client.transaction();
  const step = read.select('Bridge', [['name', '==', name]], ['name']);
  const bridge = (await client.commit(read)).rows(step)[0];
  if (!bridge) return false;
  const write = client.transaction();
  write.mutate('Open_vSwitch', [], [['bridges', 'delete', [bridge._uuid]]]);
  await client.commit(write);
  return true;
}

/**
 * Makes sure the port is on the bridge, with these external_ids on its interface. A port of this name on another
 * bridge is moved. With `appliedWithinMs`: rejects with PortRejectedError if ovs-vswitchd could not make the
 * interface, with WaitTimedOutError if it did not act in time (the database is written in both cases).
 */
export async function plugPort(client: OpenVSwitchClient, request: PlugRequest): Promise<PluggedPort> {
  const applied = await retried(async () => {
    const write = client.transaction();
    const { bridge, port, netInterface, holders } = await readPort(client, request);
    if (!bridge) throw new InvalidRequestError(`there is no bridge ${request.bridge}`);
    write.requireSome('Bridge', bridge._uuid);
    if (port && netInterface) changePort(write, request, bridge, port, netInterface, holders);
    else insertPort(write, request, bridge, port);
    return commitApplied(client, write, request.appliedWithinMs);
  });
  await applied();
  const plugged = (await listPorts(client, { name: request.name }))[0];
  if (!plugged) throw new PortRejectedError(request.name, 'the port was removed while it was plugged');
  if (request.appliedWithinMs !== undefined && plugged.error !== null) throw new PortRejectedError(request.name, plugged.error);
  return plugged;
}

interface FoundPort {
  readonly bridge: Stored<OvsBridge> | undefined;
  readonly port: Stored<OvsPort> | undefined;
  readonly netInterface: Stored<OvsInterface> | undefined;
  /** Bridges that have the port. */
  readonly holders: readonly Stored<OvsBridge>[];
}

async function readPort(client: OpenVSwitchClient, { bridge: bridgeName, name }: PlugRequest): Promise<FoundPort> {
  const read = client.transaction();
  const bridges = read.select('Bridge', []);
  const ports = read.select('Port', [['name', '==', name]]);
  const interfaces = read.select('Interface', [['name', '==', name]]);
  const result = await client.commit(read);
  const port = result.rows(ports)[0];
  return {
    bridge: result.rows(bridges).find((bridge) => bridge.name === bridgeName),
    port,
    netInterface: result.rows(interfaces).find((row) => port?.interfaces.includes(row._uuid)),
    holders: result.rows(bridges).filter((bridge) => port && bridge.ports.includes(port._uuid)),
  };
}

function insertPort(write: Transaction<OvsTables>, request: PlugRequest, bridge: Stored<OvsBridge>, broken: Stored<OvsPort> | undefined): void {
  const { name, type, externalIds } = request;
  if (broken) throw new InvalidRequestError(`port ${name} exists and is not a port of one interface with that name`);
  write.requireNone('Port', [['name', '==', name]]);
  const netInterface = write.insert('Interface', { name, type, external_ids: externalIds });
  const port = write.insert('Port', { name, interfaces: [netInterface] });
  write.mutate('Bridge', bridge._uuid, [['ports', 'insert', [port]]]);
}

function changePort(
  write: Transaction<OvsTables>,
  request: PlugRequest,
  bridge: Stored<OvsBridge>,
  port: Stored<OvsPort>,
  netInterface: Stored<OvsInterface>,
  holders: readonly Stored<OvsBridge>[],
): void {
  for (const holder of holders) {
    if (holder._uuid !== bridge._uuid) write.mutate('Bridge', holder._uuid, [['ports', 'delete', [port._uuid]]]);
  }
  if (!holders.some((holder) => holder._uuid === bridge._uuid)) write.mutate('Bridge', bridge._uuid, [['ports', 'insert', [port._uuid]]]);
  const type = request.type ?? netInterface.type;
  if (type !== netInterface.type) write.update('Interface', netInterface._uuid, { type });
  if (lacksKeys(netInterface.external_ids, request.externalIds)) {
    write.mutate('Interface', netInterface._uuid, setKeys('external_ids', request.externalIds));
  }
}

/** Removes a port from whatever bridge has it. Resolves to whether it was there. */
export async function unplugPort(
  client: OpenVSwitchClient,
  { name, appliedWithinMs }: { readonly name: string; readonly appliedWithinMs?: number },
): Promise<boolean> {
  const { changed, applied } = await retried(async () => {
    const { port, holders } = await readPort(client, { bridge: '', name, externalIds: {} });
    const write = client.transaction();
    for (const holder of holders) write.mutate('Bridge', holder._uuid, [['ports', 'delete', [port!._uuid]]]);
    return { changed: port !== undefined, applied: await commitApplied(client, write, appliedWithinMs) };
  });
  await applied();
  return changed;
}

/** The host's ports, one entry an interface; narrowed to a bridge, a name, or external_ids of the interface. */
export async function listPorts(
  client: OpenVSwitchClient,
  filter: { readonly bridge?: string; readonly name?: string; readonly externalIds?: StringMap } = {},
): Promise<PluggedPort[]> {
  const read = client.transaction();
  const bridges = read.select('Bridge', [], ['name', 'ports']);
  const ports = read.select('Port', [], ['interfaces']);
  const interfaces = read.select(
    'Interface',
    [
      ...(filter.name === undefined ? [] : [['name', '==', filter.name] as const]),
      ...(filter.externalIds === undefined ? [] : [['external_ids', 'includes', filter.externalIds] as const]),
    ],
    ['name', 'type', 'external_ids', 'ofport', 'error', 'link_state', 'admin_state'],
  );
  const result = await client.commit(read);
  const bridgeOfPort = new Map(result.rows(bridges).flatMap((bridge) => bridge.ports.map((port) => [port, bridge.name] as const)));
  const portOfInterface = new Map(result.rows(ports).flatMap((port) => port.interfaces.map((id) => [id, port._uuid] as const)));
  return result.rows(interfaces).flatMap((row) => {
    const portUuid = portOfInterface.get(row._uuid);
    const bridge = portUuid && bridgeOfPort.get(portUuid);
    if (bridge === undefined || portUuid === undefined || (filter.bridge !== undefined && filter.bridge !== bridge)) return [];
    const { name, type, ofport, error } = row;
    return [{
      name, bridge, type, ofport, error, portUuid,
      externalIds: row.external_ids,
      linkState: row.link_state,
      adminState: row.admin_state,
      interfaceUuid: row._uuid,
    }];
  });
}
