import { sql } from '@virga/db';
import { conflict } from '@virga/core';
import type { Collection, Row, View } from '../api/collection';
import type { Db } from '../db/tables';
import { grantedIds, sharedWith } from '../rbac-policies/grants';
import { NETWORK_ATTRIBUTES } from './network.attributes';
import { createNetwork, removeNetwork, updateNetwork, type NetworkSettings } from './network.verbs';

/** Projects that see a network: its own, and those that it is shared with or lets out. */
const visibleTo = (projectId: string | null) => sql<boolean>`(project_id = ${projectId} or shared = 1 or id in (${grantedIds('network', projectId, ['access_as_shared', 'access_as_external'])}))`;

async function subnetIds(db: Db, rows: Row[]): Promise<Map<string, string[]>> {
  const subnets = await db.selectFrom('subnets').select(['id', 'network_id']).where('network_id', 'in', rows.map(({ id }) => id)).orderBy('created_at').execute();
  const byNetwork = new Map<string, string[]>();
  for (const { id, network_id } of subnets) byNetwork.set(network_id, [...(byNetwork.get(network_id) ?? []), id]);
  return byNetwork;
}

/** The address scope of a network is that of the pool which its subnets come from; by network and IP version. */
async function addressScopesOf(db: Db, ids: string[]): Promise<Map<string, string | null>> {
  const rows = await db.selectFrom('subnets as s').innerJoin('subnetpools as p', 'p.id', 's.subnetpool_id').select(['s.network_id', 's.ip_version', 'p.address_scope_id'])
    .where('s.network_id', 'in', ids).execute();
  return new Map(rows.map((row) => [`${row.network_id} ${row.ip_version}`, row.address_scope_id]));
}

export function networkCollection(settings: NetworkSettings): Collection {
  return {
    table: 'networks',
    singular: 'network',
    plural: 'networks',
    attributes: NETWORK_ATTRIBUTES,
    missing: { type: 'NetworkNotFound', message: (id) => `Network ${id} could not be found.` },
    visible: (caller) => (caller.roleNames.has('admin') ? undefined : visibleTo(caller.project?.id ?? null)),
    target: async (_db, row) => ({ projectId: row.project_id as string }),
    filters: {
      // Every network is ACTIVE as soon as it is there.
      status: (values) => (values.includes('ACTIVE') ? sql<boolean>`true` : sql<boolean>`false`),
      subnets: (ids) => sql<boolean>`id in (select network_id from subnets where id in (${sql.join(ids)}))`,
    },
    async extend(db, rows, caller) {
      const ids = rows.map(({ id }) => id);
      const [subnets, shared, scopes] = await Promise.all([subnetIds(db, rows), sharedWith(db, 'network', ids, caller.project?.id), addressScopesOf(db, ids)]);
      return rows.map((row): View => ({
        status: 'ACTIVE', subnets: subnets.get(row.id) ?? [], shared: shared.has(row.id), availability_zones: [settings.availabilityZone],
        ipv4_address_scope: scopes.get(`${row.id} 4`) ?? null, ipv6_address_scope: scopes.get(`${row.id} 6`) ?? null,
      }));
    },
    create: (trx, _caller, input) => createNetwork(trx, settings, input),
    update: (trx, _caller, row, input) => updateNetwork(trx, row, input),
    async remove(trx, _caller, row) {
      const inUse = await removeNetwork(trx, row.id);
      if (inUse.length > 0) {
        throw conflict(`Unable to complete operation on network ${row.id}. There are one or more ports still in use on the network, id for these ports is: ${inUse.join(',')}.`, { type: 'NetworkInUse' });
      }
    },
  };
}
