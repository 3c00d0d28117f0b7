import { newUuid, systemClock } from '@virga/core';
import { takeLease } from '../db/take-lease';
import { drainPass, type DrainContext } from './drain-pass';

const EVERY_MS = 1000;
const LEASE = 'drains';

/** Works on drains and returns of hosts, again and again. Of all conductors the holder of the lease does it. */
export class DrainKeeper {
  private readonly owner = newUuid();
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly context: DrainContext, private readonly everyMs = EVERY_MS) {}

  start(): void {
    this.running ??= this.loop();
  }

  async stop(): Promise<void> {
    this.stopping.abort(new Error('stopping'));
    await this.running;
  }

  private async loop(): Promise<void> {
    const { db, logger } = this.context;
    while (!this.stopping.signal.aborted) {
      await systemClock.sleep(this.everyMs, this.stopping.signal).catch(() => undefined);
      if (this.stopping.signal.aborted) return;
      try {
        const some = await db.selectFrom('host_drains').select('host_id').where('state', '!=', 'restored').limit(1).executeTakeFirst();
        if (some && await takeLease(db, LEASE, this.owner, this.everyMs * 5 + 5000)) await drainPass(this.context);
      } catch (error) {
        logger.warn({ err: error }, 'a drained host could not be looked after; trying again');
      }
    }
  }
}
