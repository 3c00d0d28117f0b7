import { Type } from '@sinclair/typebox';
import { badRequest, conflict } from '@virga/core';
import { inTransaction, type Kysely } from '@virga/db';
import { encodeColumns, type Attributes } from '../api/attributes';
import type { Collection, View } from '../api/collection';
import { STANDARD_ATTRIBUTES } from '../api/standard-attributes';
import type { NetworkSchema } from '../db/tables';
import { claimQuota } from '../quotas/quota-limits';
import { sharedFilter, sharedWith, visibleOf } from '../rbac-policies/grants';
import { deleteGroup, ensureDefaultGroup, insertGroup, touchGroup } from './group-rows';
import { ruleViews } from './security-group-rule.collection';

export const GROUP_ATTRIBUTES = {
  ...STANDARD_ATTRIBUTES,
  stateful: { schema: Type.Boolean(), in: 'both', default: true },
} as const satisfies Attributes;

/** Every name is taken but that of the group which the service makes. */
function refuseDefaultName(name: unknown): void {
  if (typeof name === 'string' && name.toLowerCase() === 'default') throw conflict('Default security group already exists.', { type: 'SecurityGroupDefaultAlreadyExists' });
}

/** Groups without state would need other northbound actions; they are not built. */
function refuseStateless(stateful: unknown): void {
  if (stateful === false) throw badRequest("Invalid input for stateful. Reason: stateless security groups are not supported.", { type: 'HTTPBadRequest' });
}

export const securityGroupCollection = (db: Kysely<NetworkSchema>): Collection => ({
  table: 'security_groups',
  singular: 'security_group',
  plural: 'security_groups',
  attributes: GROUP_ATTRIBUTES,
  missing: { type: 'SecurityGroupNotFound', message: (id) => `Security group ${id} does not exist` },
  visible: visibleOf('security_group'),
  target: async (_db, row) => ({ projectId: row.project_id as string }),
  filters: { shared: sharedFilter('security_group') },
  async beforeList(caller) {
    const projectId = caller.project?.id;
    if (projectId) await inTransaction(db, (trx) => ensureDefaultGroup(trx, projectId));
  },
  async extend(executor, rows, caller) {
    const shared = await sharedWith(executor, 'security_group', rows.map(({ id }) => id), caller.project?.id);
    const rules = await executor.selectFrom('security_group_rules').selectAll().where('security_group_id', 'in', rows.map(({ id }) => id)).orderBy('id').execute();
    return rows.map((row): View => ({ shared: shared.has(row.id), security_group_rules: ruleViews(rules.filter((rule) => rule.security_group_id === row.id)) }));
  },
  async create(trx, _caller, input) {
    refuseDefaultName(input.name);
    refuseStateless(input.stateful);
    const projectId = input.project_id as string;
    await ensureDefaultGroup(trx, projectId);
    await claimQuota(trx, 'security_group', projectId);
    await claimQuota(trx, 'security_group_rule', projectId, 2);
    return insertGroup(trx, { project_id: projectId, name: input.name as string, description: input.description as string, stateful: 1, default_of: null });
  },
  async update(trx, _caller, row, input) {
    refuseStateless(input.stateful);
    if (input.name !== undefined && input.name !== row.name) {
      if (row.default_of) throw badRequest('Updating default security group not allowed.', { type: 'SecurityGroupCannotUpdateDefault' });
      refuseDefaultName(input.name);
    }
    const columns = encodeColumns(GROUP_ATTRIBUTES, input);
    if (Object.keys(columns).length > 0) await trx.updateTable('security_groups').set(columns).where('id', '=', row.id).execute();
    await touchGroup(trx, row.id);
  },
  remove: (trx, caller, row) => deleteGroup(trx, row, caller.roleNames.has('admin')),
});
