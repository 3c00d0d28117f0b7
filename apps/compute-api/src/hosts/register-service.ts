import { newUuid } from '@virga/core';
import type { Kysely } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { dbNow, dbNowPlus } from '../db/time';

/** Says that a control-plane process lives; it shows in the list of services until `leaseMs` after the last time. */
export async function registerService(db: Kysely<ComputeDb>, binary: string, host: string, leaseMs: number): Promise<void> {
  await db.insertInto('services')
    .values({ uuid: newUuid(), binary, host, host_id: null, zone: 'internal', disabled_reason: null, lease_until: dbNowPlus(leaseMs), updated_at: dbNow })
    .onDuplicateKeyUpdate({ lease_until: dbNowPlus(leaseMs), updated_at: dbNow }).execute();
}
