import { Type } from '@sinclair/typebox';
import { badRequest, conflict, newUuid, notFound, type RequestContext } from '@virga/core';
import { isDuplicateKey, sql } from '@virga/db';
import { encodeColumns, type Attributes, type InputOf } from '../api/attributes';
import type { Collection, Row, Trx } from '../api/collection';
import { STANDARD_ATTRIBUTES, Text } from '../api/standard-attributes';
import { queueSync } from '../ovn/sync-queue';
import { claimQuota } from '../quotas/quota-limits';
import { EVERYBODY, SHAREABLE, shutOutProjects, type GrantAction } from './grants';

const { id, project_id } = STANDARD_ATTRIBUTES;

export const RBAC_ATTRIBUTES = {
  id,
  project_id,
  object_type: { schema: Type.Union(Object.keys(SHAREABLE).map((type) => Type.Literal(type))), in: 'post', required: true },
  object_id: { schema: Text(36), in: 'post', required: true },
  action: { schema: Text(32), in: 'post', required: true },
  target_tenant: { schema: Type.String({ minLength: 1, maxLength: 64 }), in: 'both', required: true, column: 'target_project', guarded: (value: unknown) => value === EVERYBODY },
} as const satisfies Attributes;

type Input = InputOf<typeof RBAC_ATTRIBUTES>;
interface Shared { id: string; project_id: string }

const objectOf = async (trx: Trx, objectType: string, objectId: string): Promise<Shared | undefined> =>
  (await sql<Shared>`select id, project_id from ${sql.table(SHAREABLE[objectType]!.table)} where id = ${objectId} for update`.execute(trx)).rows[0];

/** Networks say by columns whether they are open to all; the policies say it in detail. */
async function noteNetwork(trx: Trx, networkId: string): Promise<void> {
  await sql`update networks set
    shared = exists(select 1 from rbac_policies where object_type = 'network' and object_id = ${networkId} and action = 'access_as_shared' and target_project = ${EVERYBODY}),
    external = exists(select 1 from rbac_policies where object_type = 'network' and object_id = ${networkId} and action = 'access_as_external'),
    revision_number = revision_number + 1, updated_at = now(3) where id = ${networkId}`.execute(trx);
  await queueSync(trx, 'network', networkId);
}

async function createPolicy(trx: Trx, caller: RequestContext, given: Record<string, unknown>): Promise<string> {
  const input = given as Input & { object_type: string };
  const action = input.action as GrantAction;
  const { users } = SHAREABLE[input.object_type]!;
  if (!Object.hasOwn(users, action)) {
    throw badRequest(`Invalid input for operation: Invalid action '${action}' for object type '${input.object_type}'. Valid actions: ${Object.keys(users).join(', ')}.`, { type: 'InvalidInput' });
  }
  const object = await objectOf(trx, input.object_type, input.object_id!);
  if (!object || (object.project_id !== caller.project?.id && !caller.roleNames.has('admin'))) throw notFound(`Object ${input.object_id} of type ${input.object_type} could not be found.`, { type: 'RbacPolicyObjectNotFound' });
  await claimQuota(trx, 'rbac_policy', input.project_id!);
  const policyId = newUuid();
  try {
    await trx.insertInto('rbac_policies').values({ ...encodeColumns(RBAC_ATTRIBUTES, given), id: policyId } as never).execute();
  } catch (error) {
    throw isDuplicateKey(error) ? conflict('An RBAC policy already exists with those values.', { type: 'DuplicateRbacPolicy' }) : error;
  }
  if (input.object_type === 'network') await noteNetwork(trx, object.id);
  return policyId;
}

/** Refuses a change that would shut out a project which uses the object. */
async function assertNobodyShutOut(trx: Trx, row: Row): Promise<void> {
  const object = await objectOf(trx, row.object_type as string, row.object_id as string);
  const [project] = object ? await shutOutProjects(trx, row.object_type as string, object, row.action as GrantAction) : [];
  if (project !== undefined) {
    throw conflict(`RBAC policy on object ${row.object_id as string} cannot be removed because other objects depend on it.\nDetails: project ${project} uses it.`, { type: 'RbacPolicyInUse' });
  }
  if (row.object_type === 'network') await noteNetwork(trx, row.object_id as string);
}

export const rbacPolicyCollection: Collection = {
  table: 'rbac_policies',
  singular: 'rbac_policy',
  plural: 'rbac_policies',
  attributes: RBAC_ATTRIBUTES,
  missing: { type: 'RbacPolicyNotFound', message: (policyId) => `RBAC policy of type None with ID ${policyId} not found` },
  visible: (caller) => (caller.roleNames.has('admin') ? undefined : sql<boolean>`project_id = ${caller.project?.id ?? null}`),
  target: async (_db, row) => ({ projectId: row.project_id as string }),
  // To let others' routers out is the operator's to decide.
  rules: (input) => (input.action === 'access_as_external' ? ['create_rbac_policy:access_as_external'] : []),
  create: createPolicy,
  async update(trx, _caller, row, input) {
    if (input.target_tenant === undefined || input.target_tenant === row.target_project) return;
    try {
      await trx.updateTable('rbac_policies').set({ target_project: input.target_tenant as string }).where('id', '=', row.id).execute();
    } catch (error) {
      throw isDuplicateKey(error) ? conflict('An RBAC policy already exists with those values.', { type: 'DuplicateRbacPolicy' }) : error;
    }
    await assertNobodyShutOut(trx, row);
  },
  async remove(trx, _caller, row) {
    await trx.deleteFrom('rbac_policies').where('id', '=', row.id).execute();
    await assertNobodyShutOut(trx, row);
  },
};
