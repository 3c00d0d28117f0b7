import { Type } from '@sinclair/typebox';
import { conflict, newUuid } from '@virga/core';
import { encodeColumns, type Attributes, type InputOf } from '../api/attributes';
import type { Collection, View } from '../api/collection';
import { STANDARD_ATTRIBUTES } from '../api/standard-attributes';
import { dropGrants, openToAll, sharedFilter, sharedWith, visibleOf } from '../rbac-policies/grants';

const { id, project_id, name } = STANDARD_ATTRIBUTES;

export const ADDRESS_SCOPE_ATTRIBUTES = {
  id,
  project_id,
  name,
  ip_version: { schema: Type.Union([Type.Literal(4), Type.Literal(6)]), in: 'post', required: true },
  shared: { schema: Type.Boolean(), in: 'both', default: false, column: false },
} as const satisfies Attributes;

type Input = InputOf<typeof ADDRESS_SCOPE_ATTRIBUTES>;

export const addressScopeCollection: Collection = {
  table: 'address_scopes',
  singular: 'address_scope',
  plural: 'address_scopes',
  attributes: ADDRESS_SCOPE_ATTRIBUTES,
  missing: { type: 'AddressScopeNotFound', message: (scopeId) => `Address scope ${scopeId} could not be found` },
  visible: visibleOf('address_scope'),
  target: async (_db, row) => ({ projectId: row.project_id as string }),
  filters: { shared: sharedFilter('address_scope') },
  async extend(db, rows, caller) {
    const shared = await sharedWith(db, 'address_scope', rows.map((row) => row.id), caller.project?.id);
    return rows.map((row): View => ({ shared: shared.has(row.id) }));
  },
  async create(trx, _caller, given) {
    const input = given as Input;
    const scope = { id: newUuid(), project_id: input.project_id! };
    await trx.insertInto('address_scopes').values({ ...encodeColumns(ADDRESS_SCOPE_ATTRIBUTES, given), ...scope } as never).execute();
    if (input.shared) await openToAll(trx, 'address_scope', scope, 'access_as_shared', true);
    return scope.id;
  },
  async update(trx, _caller, row, given) {
    const input = given as Input;
    if (input.name !== undefined) await trx.updateTable('address_scopes').set({ name: input.name }).where('id', '=', row.id).execute();
    if (input.shared !== undefined) await openToAll(trx, 'address_scope', row as never, 'access_as_shared', input.shared);
  },
  async remove(trx, _caller, row) {
    const used = await trx.selectFrom('subnetpools').select('id').where('address_scope_id', '=', row.id).executeTakeFirst();
    if (used) throw conflict(`Unable to complete operation on address scope ${row.id}. There are one or more subnet pools in use on the address scope`, { type: 'AddressScopeInUse' });
    await trx.deleteFrom('address_scopes').where('id', '=', row.id).execute();
    await dropGrants(trx, 'address_scope', row.id);
  },
};
