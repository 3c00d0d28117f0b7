import { conflict, newUuid, type RequestContext } from '@virga/core';
import { sql } from '@virga/db';
import type { RawBuilder } from 'kysely';
import type { Trx } from '../api/collection';
import type { Db } from '../db/tables';

export type GrantAction = 'access_as_shared' | 'access_as_external';
export const EVERYBODY = '*';

interface Shareable {
  table: 'networks' | 'security_groups' | 'subnetpools' | 'address_scopes';
  /** By action: the projects besides the owner that use the object by it. */
  users: Partial<Record<GrantAction, (id: string) => RawBuilder<{ project_id: string }>>>;
}

/** Kinds of objects that may be shared, and how. */
export const SHAREABLE: Record<string, Shareable> = {
  network: {
    table: 'networks',
    users: {
      access_as_shared: (id) => sql`select distinct project_id from ports where network_id = ${id} and device_owner not in ('network:router_gateway', 'network:floatingip') and project_id <> ''`,
      access_as_external: (id) => sql`select r.project_id from routers r join ports g on g.id = r.gateway_port_id where g.network_id = ${id} union select project_id from floatingips where floating_network_id = ${id}`,
    },
  },
  security_group: {
    table: 'security_groups',
    users: { access_as_shared: (id) => sql`select distinct p.project_id from ports p join port_security_groups m on m.port_id = p.id where m.security_group_id = ${id}` },
  },
  subnetpool: { table: 'subnetpools', users: { access_as_shared: (id) => sql`select distinct project_id from subnets where subnetpool_id = ${id}` } },
  address_scope: { table: 'address_scopes', users: { access_as_shared: (id) => sql`select distinct project_id from subnetpools where address_scope_id = ${id}` } },
};

/** Ids of the objects of a type that others share with a project. */
export const grantedIds = (objectType: string, projectId: string | null, actions: readonly GrantAction[] = ['access_as_shared']) =>
  sql`select object_id from rbac_policies where object_type = ${objectType} and action in (${sql.join(actions)}) and target_project in (${EVERYBODY}, ${projectId ?? EVERYBODY})`;

/** Which of the objects are shared with a project (or with all). */
export async function sharedWith(db: Db, objectType: string, ids: readonly string[], projectId: string | undefined): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await db.selectFrom('rbac_policies').select('object_id').where('object_type', '=', objectType).where('action', '=', 'access_as_shared')
    .where('object_id', 'in', ids).where('target_project', 'in', [EVERYBODY, projectId ?? EVERYBODY]).execute();
  return new Set(rows.map(({ object_id }) => object_id));
}

/** Which ways a project may use an object of another's. */
export async function grantsOf(db: Db, objectType: string, id: string, projectId: string | undefined): Promise<Set<GrantAction>> {
  const rows = await db.selectFrom('rbac_policies').select('action').where('object_type', '=', objectType).where('object_id', '=', id)
    .where('target_project', 'in', [EVERYBODY, projectId ?? EVERYBODY]).execute();
  return new Set(rows.map(({ action }) => action as GrantAction));
}

/** Opens an object to all, or closes it; 409 when a project that uses it would be shut out. Doing it again changes nothing. */
export async function openToAll(trx: Trx, objectType: string, object: { id: string; project_id: string }, action: GrantAction, open: boolean): Promise<void> {
  const grant = { object_type: objectType, object_id: object.id, action, target_project: EVERYBODY };
  if (open) {
    await trx.insertInto('rbac_policies').values({ ...grant, id: newUuid(), project_id: object.project_id }).onDuplicateKeyUpdate({ action }).execute();
    return;
  }
  await trx.deleteFrom('rbac_policies').where('object_type', '=', objectType).where('object_id', '=', object.id).where('action', '=', action).where('target_project', '=', EVERYBODY).execute();
  const [shutOut] = await shutOutProjects(trx, objectType, object, action);
  if (shutOut !== undefined) throw conflict(`Unable to reconfigure sharing settings for ${objectType} ${object.id}. Multiple tenants are using it.`, { type: 'InvalidSharedSetting' });
}

/** Projects that use an object by an action which no grant gives them (any more). */
export async function shutOutProjects(trx: Trx, objectType: string, object: { id: string; project_id: string }, action: GrantAction): Promise<string[]> {
  const users = SHAREABLE[objectType]!.users[action];
  if (!users) return [];
  const { rows } = await users(object.id).execute(trx);
  const grants = await trx.selectFrom('rbac_policies').select('target_project').where('object_type', '=', objectType).where('object_id', '=', object.id).where('action', '=', action).execute();
  const targets = new Set(grants.map(({ target_project }) => target_project));
  return targets.has(EVERYBODY) ? [] : rows.map(({ project_id }) => project_id).filter((project) => project !== object.project_id && !targets.has(project));
}

/** What goes with an object that is deleted. */
export async function dropGrants(trx: Trx, objectType: string, id: string): Promise<void> {
  await trx.deleteFrom('rbac_policies').where('object_type', '=', objectType).where('object_id', '=', id).execute();
}

/** What a caller sees of things that may be shared: their project's, and those shared with it. */
export const visibleOf = (objectType: string) => (caller: RequestContext) => (caller.roleNames.has('admin') ? undefined
  : sql<boolean>`(project_id = ${caller.project?.id ?? null} or id in (${grantedIds(objectType, caller.project?.id ?? null)}))`);

/** `shared=true` finds what is open to all. */
export const sharedFilter = (objectType: string) => (values: string[]) => {
  const wanted = values.map((value) => ['true', '1'].includes(value.toLowerCase()));
  const open = sql<boolean>`id in (select object_id from rbac_policies where object_type = ${objectType} and action = 'access_as_shared' and target_project = ${EVERYBODY})`;
  return wanted.includes(true) ? (wanted.includes(false) ? sql<boolean>`true` : open) : sql<boolean>`not ${open}`;
};
