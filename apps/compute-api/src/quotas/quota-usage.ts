import type { Expression, SqlBool } from 'kysely';
import { sql, type Kysely, type Transaction } from '@virga/db';
import { overQuota } from '@virga/core';
import { countWithinQuota, exceeded, quotaMessage, times, type InstanceUsage, type QuotaLimits } from '@virga/domain';
import type { ComputeDb } from '../db/schema';
import { readLimits } from './quota-limits';

const RESOURCES = ['instances', 'cores', 'ram'] as const;

/**
 * Makes the project's usage row, outside of any transaction: an insert that finds the row there locks it for reading,
 * and many that then all want to write it are in each other's way.
 */
export async function ensureUsage(db: Kysely<ComputeDb>, projectId: string): Promise<void> {
  const row = await db.selectFrom('quota_usages').select('project_id').where('project_id', '=', projectId).executeTakeFirst();
  if (!row) await db.insertInto('quota_usages').ignore().values({ project_id: projectId, instances: 0, cores: 0, ram: 0 }).execute();
}

/**
 * Takes as many instances of size `each` out of the project's quota as fit, between the counts, and returns how many;
 * 403 in nova's words when fewer than `minCount` fit. The usage row stays locked until the transaction ends, so that no
 * number of concurrent requests can exceed a limit. Needs `ensureUsage` before.
 */
export async function takeUsage(
  trx: Transaction<ComputeDb>, { projectId, userId, each, minCount, maxCount }: { projectId: string; userId: string; each: InstanceUsage; minCount: number; maxCount: number },
): Promise<number> {
  const limits = await readLimits(trx, projectId, userId);
  if (await takeAll(trx, projectId, times(each, maxCount), limits)) return maxCount;
  const used = await trx.selectFrom('quota_usages').select(['instances', 'cores', 'ram']).where('project_id', '=', projectId).forUpdate().executeTakeFirstOrThrow();
  const { count, over } = countWithinQuota(limits, used, each, minCount, maxCount);
  if (over.length > 0) throw overQuota(quotaMessage(over, limits, used, times(each, minCount)), { status: 403 });
  await addUsage(trx, projectId, times(each, count));
  return count;
}

/** The usual case in one statement. False when something does not fit, and nothing is taken. */
async function takeAll(trx: Transaction<ComputeDb>, projectId: string, wanted: InstanceUsage, limits: QuotaLimits): Promise<boolean> {
  const fits = RESOURCES.flatMap((resource) => (limits[resource] < 0 ? [] : [sql<boolean>`${sql.ref(resource)} + ${wanted[resource]} <= ${limits[resource]}`]));
  return addUsage(trx, projectId, wanted, fits);
}

/**
 * Takes what an instance grows by out of its project's quota; 403 in nova's words when it does not fit. What does not grow is not
 * asked about: a project over its limit may still do what takes no more of it.
 */
export async function takeGrowth(trx: Transaction<ComputeDb>, { projectId, userId, growth }: { projectId: string; userId: string; growth: Pick<InstanceUsage, 'cores' | 'ram'> }): Promise<void> {
  const wanted = { instances: 0, ...growth };
  const used = await trx.selectFrom('quota_usages').select(['instances', 'cores', 'ram']).where('project_id', '=', projectId).forUpdate().executeTakeFirstOrThrow();
  const limits = await readLimits(trx, projectId, userId);
  const over = exceeded(limits, used, wanted).filter((resource) => wanted[resource] > 0);
  if (over.length > 0) throw overQuota(quotaMessage(over, limits, used, wanted), { status: 403 });
  await addUsage(trx, projectId, wanted);
}

/** Gives back what the instance holds beside its flavor; its row must be locked or changed by the caller. */
export async function releaseHeld(trx: Transaction<ComputeDb>, instanceId: string): Promise<void> {
  const row = await trx.selectFrom('instances').select(['project_id', 'held_cores', 'held_ram']).where('id', '=', instanceId).forUpdate().executeTakeFirst();
  if (!row || (row.held_cores === 0 && row.held_ram === 0)) return;
  await trx.updateTable('instances').set({ held_cores: 0, held_ram: 0 }).where('id', '=', instanceId).execute();
  await releaseUsage(trx, row.project_id, { instances: 0, cores: row.held_cores, ram: row.held_ram });
}

export async function releaseUsage(trx: Transaction<ComputeDb>, projectId: string, usage: InstanceUsage): Promise<void> {
  await addUsage(trx, projectId, times(usage, -1));
}

async function addUsage(trx: Transaction<ComputeDb>, projectId: string, { instances, cores, ram }: InstanceUsage, where: readonly Expression<SqlBool>[] = []): Promise<boolean> {
  const { numUpdatedRows } = await trx.updateTable('quota_usages')
    .set({ instances: sql`instances + ${instances}`, cores: sql`cores + ${cores}`, ram: sql`ram + ${ram}` })
    .where('project_id', '=', projectId).where((eb) => eb.and([...where])).executeTakeFirst();
  return numUpdatedRows > 0n;
}
