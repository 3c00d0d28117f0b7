import type { Trx } from '../api/collection';
import type { Db } from '../db/tables';

/** Kinds of resources that have rows in the northbound database, in the order in which they refer to one another. */
export const OVN_KINDS = ['network', 'subnet', 'security_group', 'port', 'router', 'floatingip'] as const;
export type OvnKind = (typeof OVN_KINDS)[number];

export const isOvnKind = (word: string): word is OvnKind => (OVN_KINDS as readonly string[]).includes(word);

/** Notes, in the transaction of the change, that a resource's northbound rows have to be written again. */
export async function queueSync(trx: Trx, kind: OvnKind, ids: string | readonly string[]): Promise<void> {
  const resources = [ids].flat();
  if (resources.length > 0) await trx.insertInto('ovn_sync').values(resources.map((resource_id) => ({ kind, resource_id }))).execute();
}

/** How many changes of these resources wait to be written. */
export async function pendingSync(db: Db, ids: readonly string[]): Promise<number> {
  if (ids.length === 0) return 0;
  const row = await db.selectFrom('ovn_sync').select(({ fn }) => fn.countAll().as('pending')).where('resource_id', 'in', ids).executeTakeFirstOrThrow();
  return Number(row.pending);
}
