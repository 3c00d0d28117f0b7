import { sql, type Kysely } from '@virga/db';
import type { ComputeDb } from './schema';
import { dbNow, dbNowPlus } from './time';

/** Takes or renews a lease by name on the database's clock. True while `owner` holds it, for `ms` from now. */
export async function takeLease(db: Kysely<ComputeDb>, name: string, owner: string, ms: number): Promise<boolean> {
  await db.insertInto('leases').ignore().values({ name, owner, lease_until: dbNowPlus(ms) }).execute();
  const { numUpdatedRows } = await db.updateTable('leases').set({ owner, lease_until: dbNowPlus(ms) })
    .where('name', '=', name).where((eb) => eb.or([eb('owner', '=', owner), eb('lease_until', '<', dbNow)])).executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Gives a lease up at once, so that another need not wait. */
export async function dropLease(db: Kysely<ComputeDb>, name: string, owner: string): Promise<void> {
  await db.updateTable('leases').set({ lease_until: sql<Date>`NOW(3) - INTERVAL 1 SECOND` }).where('name', '=', name).where('owner', '=', owner).execute();
}
