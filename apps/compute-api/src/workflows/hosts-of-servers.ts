import type { StepContext } from '../operations/workflow';

/** Hosts of the project's own servers; others' are not told apart by hints. */
export async function hostsOfOwnServers({ db, operation }: StepContext, serverIds: string[]): Promise<string[]> {
  if (serverIds.length === 0) return [];
  const rows = await db.selectFrom('instances').select('host_id').distinct().where('id', 'in', serverIds).where('project_id', '=', operation.actor.projectId ?? '')
    .where('host_id', 'is not', null).execute();
  return rows.map((row) => row.host_id!);
}
