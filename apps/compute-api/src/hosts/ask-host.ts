import { hostAgentContract } from '@virga/contracts';
import { CloudError, systemClock } from '@virga/core';
import { sql, type Kysely } from '@virga/db';
import type { Bus, Client } from '@virga/rpc';
import type { ComputeDb } from '../db/schema';

/** An agent that is started anew is back by then, ms. */
const PATIENCE_MS = 10_000;
const PAUSE_MS = 200;

/**
 * Asks a host something for somebody who waits for the answer. An agent that does not listen at the moment is waited for as long
 * as its lease says that it lives: it is just being restarted. Throws what the agent answers, and `unavailable`.
 */
export async function askHost<T>({ db, bus }: { db: Kysely<ComputeDb>; bus: Bus }, hostId: string, ask: (host: Client<typeof hostAgentContract>) => Promise<T>): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await ask(bus.client(hostAgentContract, { hostId }));
    } catch (error) {
      if (!(error instanceof CloudError) || error.kind !== 'unavailable' || Date.now() > end) throw error;
      const alive = await db.selectFrom('hosts').select('id').where('id', '=', hostId).where('lease_until', '>', sql<Date>`NOW(3)`).executeTakeFirst();
      if (!alive) throw error;
      await systemClock.sleep(PAUSE_MS);
    }
  }
}
