import { sql } from '@virga/db';
import { conflict } from '@virga/core';
import type { Collection, Row, View } from '../api/collection';
import type { Db } from '../db/tables';
import { NETWORK_ATTRIBUTES } from './network.attributes';
import { createNetwork, removeNetwork, updateNetwork, type NetworkSettings } from './network.verbs';

/** Projects that see a network: its own, and all when it is shared or external. */
const visibleTo = (projectId: string | null) => sql<boolean>`(project_id = ${projectId} or shared = 1 or external = 1)`;

async function subnetIds(db: Db, rows: Row[]): Promise<Map<string, string[]>> {
  const subnets = await db.selectFrom('subnets').select(['id', 'network_id']).where('network_id', 'in', rows.map(({ id }) => id)).orderBy('created_at').execute();
  const byNetwork = new Map<string, string[]>();
  for (const { id, network_id } of subnets) byNetwork.set(network_id, [...(byNetwork.get(network_id) ?? []), id]);
  return byNetwork;
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
    async extend(db, rows) {
      const subnets = await subnetIds(db, rows);
      return rows.map((row): View => ({
        status: 'ACTIVE', subnets: subnets.get(row.id) ?? [], availability_zones: [settings.availabilityZone], ipv4_address_scope: null, ipv6_address_scope: null,
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
