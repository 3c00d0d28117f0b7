import { conflict } from '@virga/core';
import { sql } from '@virga/db';
import type { Trx } from '../api/collection';
import type { Db } from '../db/tables';

/** Resources under quota: their table and neutron's default limit; -1 is without limit. */
export const QUOTAS = {
  network: { table: 'networks', limit: 100 },
  subnet: { table: 'subnets', limit: 100 },
  subnetpool: { table: 'subnetpools', limit: -1 },
  port: { table: 'ports', limit: 500 },
  router: { table: 'routers', limit: 10 },
  floatingip: { table: 'floatingips', limit: 50 },
  rbac_policy: { table: 'rbac_policies', limit: 10 },
  security_group: { table: 'security_groups', limit: 10 },
  security_group_rule: { table: 'security_group_rules', limit: 100 },
} as const;
export type QuotaResource = keyof typeof QUOTAS;

export async function limitsOf(db: Db, projectId: string): Promise<Record<QuotaResource, number>> {
  const rows = await db.selectFrom('quotas').select(['resource', 'amount']).where('project_id', '=', projectId).execute();
  const own = new Map(rows.map(({ resource, amount }) => [resource, amount]));
  return Object.fromEntries(Object.entries(QUOTAS).map(([resource, { limit }]) => [resource, own.get(resource) ?? limit])) as Record<QuotaResource, number>;
}

export async function usageOf(db: Db, resource: QuotaResource, projectId: string): Promise<number> {
  const { rows: [row] } = await sql<{ used: number }>`select count(*) as used from ${sql.table(QUOTAS[resource].table)} where project_id = ${projectId}`.execute(db);
  return Number(row!.used);
}

/**
 * Makes sure that `count` more fit. The project's lock row is held to the end of the transaction, so that counting and
 * making are one step however many ask at once; usage is counted from the rows and cannot drift. Throws 409 OverQuota.
 */
export async function claimQuota(trx: Trx, resource: QuotaResource, projectId: string, count = 1): Promise<void> {
  const stored = await trx.selectFrom('quotas').select('amount').where('project_id', '=', projectId).where('resource', '=', resource).executeTakeFirst();
  const limit = stored?.amount ?? QUOTAS[resource].limit;
  if (limit < 0) return;
  // One statement makes the row or locks it: taking a shared lock first would deadlock with the next in line.
  await trx.insertInto('quota_locks').values({ project_id: projectId, resource }).onDuplicateKeyUpdate({ resource }).execute();
  if ((await usageOf(trx, resource, projectId)) + count > limit) throw conflict(`Quota exceeded for resources: ['${resource}'].`, { type: 'OverQuota' });
}
