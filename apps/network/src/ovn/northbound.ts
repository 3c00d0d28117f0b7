import { OvsdbClient, ovnNorthbound, ovnSouthbound, type MonitorSpec, type NbTables, type RowIndex, type SbTables } from '@virga/ovsdb';
import type { Logger } from '@virga/core';
import { MARKS, OWNED_TABLES, ownerKey, type OwnedTable } from './rows';

const NB_MONITOR = {
  NB_Global: ['nb_cfg'],
  Logical_Switch: ['name', 'ports', 'external_ids'],
  Logical_Switch_Port: ['name', 'type', 'options', 'addresses', 'port_security', 'up', 'enabled', 'tag', 'dhcpv4_options', 'dhcpv6_options', 'external_ids'],
  DHCP_Options: ['cidr', 'options', 'external_ids'],
  Port_Group: ['name', 'ports', 'acls', 'external_ids'],
  ACL: ['direction', 'priority', 'action', 'match', 'external_ids'],
  Logical_Router: ['name', 'ports', 'static_routes', 'nat', 'enabled', 'options', 'external_ids'],
  Logical_Router_Port: ['name', 'mac', 'networks', 'gateway_chassis', 'ipv6_ra_configs', 'options', 'enabled', 'external_ids'],
  Gateway_Chassis: ['name', 'chassis_name', 'priority', 'external_ids'],
  Logical_Router_Static_Route: ['ip_prefix', 'nexthop', 'output_port', 'policy', 'external_ids'],
  NAT: ['type', 'external_ip', 'logical_ip', 'logical_port', 'external_mac', 'external_ids'],
} as const satisfies MonitorSpec<NbTables>;

const SB_MONITOR = {
  Chassis: ['name', 'hostname', 'encaps', 'external_ids', 'other_config'],
  Chassis_Private: ['name', 'chassis', 'nb_cfg', 'nb_cfg_timestamp', 'external_ids'],
} as const satisfies MonitorSpec<SbTables>;

export type NbClient = OvsdbClient<NbTables, typeof NB_MONITOR>;
export type SbClient = OvsdbClient<SbTables, typeof SB_MONITOR>;

/** A row of the local copy, whatever its table. */
export type CachedRow = Readonly<Record<string, unknown>> & { readonly _uuid: string; readonly external_ids: Readonly<Record<string, string>> };

/** The northbound database: its local copy, our rows by the resource that they belong to. */
export class Northbound {
  private readonly byOwner = new Map<OwnedTable, RowIndex<CachedRow>>();

  constructor(readonly client: NbClient) {
    for (const table of OWNED_TABLES) {
      this.byOwner.set(table, this.rows(table).index(({ external_ids: ids }) => {
        const [kind, id] = [ids[MARKS.kind], ids[MARKS.id]];
        return kind !== undefined && id !== undefined ? ownerKey(kind as never, id) : undefined;
      }));
    }
  }

  /** The local copy of a table, with rows of any form. */
  rows(table: OwnedTable): { all(): IterableIterator<CachedRow>; get(uuid: string): CachedRow | undefined; index(keyOf: (row: CachedRow) => string | undefined): RowIndex<CachedRow> } {
    return this.client.table(table) as never;
  }

  /** Our rows of a resource in a table. */
  ownedBy(table: OwnedTable, owner: string): CachedRow[] {
    return this.byOwner.get(table)!.all(owner);
  }

  /** Owners of all rows that carry our marks. */
  owners(): Set<string> {
    const owners = new Set<string>();
    for (const table of OWNED_TABLES) {
      for (const { external_ids: ids } of this.rows(table).all()) if (ids[MARKS.kind] && ids[MARKS.id]) owners.add(ownerKey(ids[MARKS.kind] as never, ids[MARKS.id]!));
    }
    return owners;
  }
}

/** What a client does is logged; a failed attempt once in a while is normal. */
function logged<C extends NbClient | SbClient>(client: C, name: string, logger: Logger): C {
  const emitter = client as unknown as OvsdbClient<NbTables>;
  emitter.on('connected', (remote) => logger.info({ database: name, remote }, 'OVN database connected'));
  emitter.on('disconnected', (reason) => logger.warn({ database: name, reason: reason.message }, 'OVN database lost'));
  emitter.on('retry', (remote, reason) => logger.warn({ database: name, remote, reason: reason.message }, 'OVN database not reached'));
  emitter.on('watcherError', (error) => logger.error({ database: name, err: error }, 'watcher failed'));
  return client;
}

export const connectNorthbound = (remotes: readonly string[], logger: Logger): NbClient =>
  logged(new OvsdbClient(ovnNorthbound, { remotes, monitor: NB_MONITOR, leaderOnly: true }), 'northbound', logger).start();

export const connectSouthbound = (remotes: readonly string[], logger: Logger): SbClient =>
  logged(new OvsdbClient(ovnSouthbound, { remotes, monitor: SB_MONITOR }), 'southbound', logger).start();
