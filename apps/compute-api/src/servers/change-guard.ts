import { conflict, type RequestContext } from '@virga/core';
import type { Transaction } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import type { InstanceRow } from '../operations/workflow';
import { serverNotFound } from './server-errors';

/** States in which nova lets metadata and tags be changed. */
const SETTLED: readonly string[] = ['active', 'paused', 'suspended', 'stopped'];

/**
 * The server's row, locked until the transaction ends, for a change of what belongs to it. 409 when it is locked by a
 * user (unless the caller may override that) or, with `action`, in a state that forbids the action.
 */
export async function lockServer(
  trx: Transaction<ComputeDb>, caller: RequestContext, id: string, { action, whileTask = false, ignoreLock = false }: { action?: string; whileTask?: boolean; ignoreLock?: boolean } = {},
): Promise<InstanceRow> {
  const admin = caller.roleNames.has('admin');
  let query = trx.selectFrom('instances').selectAll().where('id', '=', id).where('deleted_at', 'is', null).forUpdate();
  if (!admin) query = query.where('project_id', '=', caller.project?.id ?? '');
  const row = await query.executeTakeFirst();
  if (!row) throw serverNotFound(id);
  if (row.locked !== 0 && !admin && !ignoreLock) throw conflict(`Instance ${id} is locked`);
  if (action !== undefined) {
    if (!SETTLED.includes(row.vm_state)) throw conflict(`Cannot '${action}' instance ${id} while it is in vm_state ${row.vm_state}`);
    if (!whileTask && row.task_state !== null) throw conflict(`Cannot '${action}' instance ${id} while it is in task_state ${row.task_state}`);
  }
  return row;
}
