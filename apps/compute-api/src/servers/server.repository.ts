import type { RequestContext } from '@virga/core';
import { sql, type Executor, type Selectable } from '@virga/db';
import type { ComputeDb, InstancesTable } from '../db/schema';
import { serverNotFound } from './server-errors';

export interface ServerAddress {
  network: string;
  address: string;
  version: number;
  mac: string;
  /** fixed or floating. */
  type: string;
}

/** An instance with all that its view needs. */
export type ServerRow = Selectable<InstancesTable> & {
  /** Read by `fromJson`. */
  metadata_json: unknown;
  tags_json: unknown;
  fault_json: unknown;
  /** Address, zone and state of its host, if it has one. */
  host_alive: number | null;
  host_disabled: number | null;
  host_forced_down: number | null;
  /** Of its server group. */
  group_id: string | null;
  /** Names of the security groups on its ports. */
  security_groups_beside: unknown;
  addresses: ServerAddress[];
};

/** Everything beside the instance's own columns in the same statement. `network`: the schema of the network service's views. */
const beside = (network: string) => [
  sql<unknown>`(SELECT JSON_ARRAYAGG(DISTINCT v.name ORDER BY v.name) FROM ${sql.table(`${network}.server_security_groups`)} v WHERE v.instance_id = instances.id)`.as('security_groups_beside'),
  sql<unknown>`(SELECT JSON_OBJECTAGG(m.name, m.value) FROM instance_metadata m WHERE m.instance_id = instances.id)`.as('metadata_json'),
  sql<unknown>`(SELECT JSON_ARRAYAGG(t.tag ORDER BY t.tag) FROM instance_tags t WHERE t.instance_id = instances.id)`.as('tags_json'),
  sql<unknown>`(SELECT JSON_OBJECT('code', f.code, 'message', f.message, 'details', f.details, 'created', DATE_FORMAT(f.created_at, '%Y-%m-%dT%H:%i:%sZ')) FROM instance_faults f WHERE f.instance_id = instances.id ORDER BY f.id DESC LIMIT 1)`.as('fault_json'),
  sql<number | null>`(SELECT h.lease_until > NOW(3) FROM hosts h WHERE h.id = instances.host_id)`.as('host_alive'),
  sql<number | null>`(SELECT s.disabled FROM services s WHERE s.host_id = instances.host_id)`.as('host_disabled'),
  sql<number | null>`(SELECT s.forced_down FROM services s WHERE s.host_id = instances.host_id)`.as('host_forced_down'),
  sql<string | null>`(SELECT m.group_id FROM server_group_members m WHERE m.instance_id = instances.id)`.as('group_id'),
] as const;

export const selectServers = (db: Executor<ComputeDb>, network: string) => db.selectFrom('instances').selectAll('instances').select([...beside(network)]);

interface AddressRow { instance_id: string; network_name: string; address: string; version: number; mac_addr: string; type: string }

/** Addresses of the given instances from the network service's view, in one statement. */
export async function addAddresses(db: Executor<ComputeDb>, network: string, rows: Omit<ServerRow, 'addresses'>[]): Promise<ServerRow[]> {
  const found = new Map<string, ServerAddress[]>(rows.map(({ id }) => [id, []]));
  if (rows.length > 0) {
    // Constants, so that the database pushes them into both halves of the view.
    const { rows: addresses } = await sql<AddressRow>`
      SELECT instance_id, network_name, address, version, mac_addr, type FROM ${sql.table(`${network}.server_addresses`)}
      WHERE instance_id IN (${sql.join(rows.map(({ id }) => id))}) ORDER BY port_position, port_id, address_position`.execute(db);
    for (const { instance_id: id, network_name: name, address, version, mac_addr: mac, type } of addresses) found.get(id)?.push({ network: name, address, version, mac, type });
  }
  return rows.map((row) => ({ ...row, addresses: found.get(row.id)! }));
}

const isAdmin = (caller: RequestContext): boolean => caller.roleNames.has('admin');

/** The server as the caller may see it: another project's does not exist, except for administrators. Without addresses. */
export async function getInstance(db: Executor<ComputeDb>, caller: RequestContext, id: string): Promise<Selectable<InstancesTable>> {
  let query = db.selectFrom('instances').selectAll().where('id', '=', id).where('deleted_at', 'is', null);
  if (!isAdmin(caller)) query = query.where('project_id', '=', caller.project?.id ?? '');
  const row = await query.executeTakeFirst();
  if (!row) throw serverNotFound(id);
  return row;
}

export async function getServer(db: Executor<ComputeDb>, network: string, caller: RequestContext, id: string): Promise<ServerRow> {
  let query = selectServers(db, network).where('id', '=', id).where('deleted_at', 'is', null);
  if (!isAdmin(caller)) query = query.where('project_id', '=', caller.project?.id ?? '');
  const row = await query.executeTakeFirst();
  if (!row) throw serverNotFound(id);
  const [server] = await addAddresses(db, network, [row]);
  return server!;
}
