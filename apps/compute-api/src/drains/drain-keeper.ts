import { newUuid, PeriodicWork } from '@virga/core';
import { takeLease } from '../db/take-lease';
import { drainPass, type DrainContext } from './drain-pass';

const EVERY_MS = 1000;
const LEASE = 'drains';
const LEASE_MS = EVERY_MS * 5 + 5000;

/** Works on drains and returns of hosts, again and again. Of all conductors the holder of the lease does it. */
export class DrainKeeper extends PeriodicWork {
  private readonly owner = newUuid();

  constructor(private readonly context: DrainContext) {
    super({ everyMs: EVERY_MS, waitFirst: true, failed: 'a drained host could not be looked after; trying again' }, context.logger);
  }

  protected async work(): Promise<void> {
    const { db } = this.context;
    const some = await db.selectFrom('host_drains').select('host_id').where('state', '!=', 'restored').limit(1).executeTakeFirst();
    if (some && await takeLease(db, LEASE, this.owner, LEASE_MS)) await drainPass(this.context);
  }
}
