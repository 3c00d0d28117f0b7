import type { Executor } from '@virga/db';
import { DEFAULT_QUOTAS, type QuotaLimits, type QuotaResource } from '@virga/domain';
import type { ComputeDb } from '../db/schema';

/** Stands in `quota_limits.project_id` for the defaults of the whole cloud. */
export const DEFAULT_CLASS = 'default';

/** Of the classes only the default one has an effect; others are kept as they were set. */
export const quotaClassKey = (name: string): string => (name === DEFAULT_CLASS ? DEFAULT_CLASS : `class:${name}`);

/** The limits in force: the user's, else the project's, else the cloud's own defaults, else the built-in ones. */
export async function readLimits(db: Executor<ComputeDb>, projectId: string, userId = ''): Promise<QuotaLimits> {
  const rows = await db.selectFrom('quota_limits').selectAll().where('project_id', 'in', [projectId, DEFAULT_CLASS]).where('user_id', 'in', ['', userId]).execute();
  const rank = (row: { project_id: string; user_id: string }) => (row.project_id === DEFAULT_CLASS ? 0 : row.user_id === '' ? 1 : 2);
  const limits: QuotaLimits = { ...DEFAULT_QUOTAS };
  for (const row of rows.sort((a, b) => rank(a) - rank(b))) {
    if (Object.hasOwn(limits, row.resource)) limits[row.resource as QuotaResource] = row.hard_limit;
  }
  return limits;
}
