import { sql } from '@virga/db';
import type { Collection } from '../api/collection';
import { visibleNetwork } from '../networks/visible-network';
import { grantedIds } from '../rbac-policies/grants';
import { SUBNET_ATTRIBUTES } from './subnet.attributes';
import { createSubnet, removeSubnet, updateSubnet } from './subnet.verbs';

export const subnetCollection: Collection = {
  table: 'subnets',
  singular: 'subnet',
  plural: 'subnets',
  attributes: SUBNET_ATTRIBUTES,
  missing: { type: 'SubnetNotFound', message: (id) => `Subnet ${id} could not be found.` },
  visible(caller) {
    const projectId = caller.project?.id ?? null;
    return caller.roleNames.has('admin') ? undefined
      : sql<boolean>`(project_id = ${projectId} or network_id in (select n.id from networks n where n.project_id = ${projectId} or n.shared = 1) or network_id in (${grantedIds('network', projectId)}))`;
  },
  async target(db, row) {
    const network = await db.selectFrom('networks').select('project_id').where('id', '=', row.network_id as string).executeTakeFirst();
    return { projectId: row.project_id as string, parentProjectId: network?.project_id };
  },
  async newTarget(db, caller, input) {
    const network = await visibleNetwork(db, caller, input.network_id as string);
    return { projectId: input.project_id as string, parentProjectId: network.project_id };
  },
  filters: {
    shared: (values) => sql<boolean>`network_id in (select n.id from networks n where n.shared in (${sql.join(values.map((value) => (value.toLowerCase() === 'true' || value === '1' ? 1 : 0)))}))`,
    'router:external': (values) => sql<boolean>`network_id in (select n.id from networks n where n.external in (${sql.join(values.map((value) => (value.toLowerCase() === 'true' || value === '1' ? 1 : 0)))}))`,
  },
  create: createSubnet,
  update: (trx, _caller, row, input) => updateSubnet(trx, row, input),
  remove: (trx, _caller, row) => removeSubnet(trx, row),
};
