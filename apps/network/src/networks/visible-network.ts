import { notFound, type RequestContext } from '@virga/core';
import type { Selectable } from '@virga/db';
import type { Db, NetworkTable } from '../db/tables';

export type NetworkRow = Selectable<NetworkTable>;

export const networkNotFound = (id: string) => notFound(`Network ${id} could not be found.`, { type: 'NetworkNotFound' });

/** The network as the caller sees it, else 404. `lock` takes its row, so that its subnets stand still. */
export async function visibleNetwork(db: Db, caller: RequestContext, id: string, lock = false): Promise<NetworkRow> {
  const query = db.selectFrom('networks').selectAll().where('id', '=', id);
  const row = await (lock ? query.forUpdate() : query).executeTakeFirst();
  const visible = row && (caller.roleNames.has('admin') || row.project_id === caller.project?.id || row.shared || row.external);
  if (!visible) throw networkNotFound(id);
  return row;
}
