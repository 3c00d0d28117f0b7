import { notFound, type RequestContext } from '@virga/core';
import type { Selectable } from '@virga/db';
import type { Db, NetworkTable } from '../db/tables';
import { grantsOf } from '../rbac-policies/grants';

export type NetworkRow = Selectable<NetworkTable>;

export const networkNotFound = (id: string) => notFound(`Network ${id} could not be found.`, { type: 'NetworkNotFound' });

/** The network as the caller sees it (`shared` says whether they may use it as one of their own), else 404. `lock` takes its row, so that its subnets stand still. */
export async function visibleNetwork(db: Db, caller: RequestContext, id: string, lock = false): Promise<NetworkRow> {
  const query = db.selectFrom('networks').selectAll().where('id', '=', id);
  const row = await (lock ? query.forUpdate() : query).executeTakeFirst();
  if (!row) throw networkNotFound(id);
  if (caller.roleNames.has('admin') || row.project_id === caller.project?.id || row.shared) return row;
  const grants = await grantsOf(db, 'network', id, caller.project?.id);
  if (grants.size === 0) throw networkNotFound(id);
  return { ...row, shared: grants.has('access_as_shared') ? 1 : 0 };
}
