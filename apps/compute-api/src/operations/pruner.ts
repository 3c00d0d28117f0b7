import { newUuid, systemClock, type Logger } from '@virga/core';
import type { Kysely } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { takeLease } from '../db/take-lease';
import { pruneBatch, type PruneOptions } from './prune';

export interface PrunerOptions extends PruneOptions {
  db: Kysely<ComputeDb>;
  logger: Logger;
  /** Between two looks, ms. */
  everyMs?: number;
}

const LEASE = 'pruner';
/** Between two batches, so that others get at the tables. */
const BATCH_PAUSE_MS = 200;

/** Takes old history away. Of all conductors the holder of the lease does it. */
export class Pruner {
  private readonly owner = newUuid();
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly options: PrunerOptions) {}

  start(): void {
    this.running ??= this.loop();
  }

  async stop(): Promise<void> {
    this.stopping.abort(new Error('stopping'));
    await this.running;
  }

  private async loop(): Promise<void> {
    const { db, logger, everyMs = 600_000 } = this.options;
    while (!this.stopping.signal.aborted) {
      try {
        if (await takeLease(db, LEASE, this.owner, everyMs * 2)) await this.prune();
      } catch (error) {
        logger.warn({ err: error }, 'old history not taken away; trying again later');
      }
      await systemClock.sleep(everyMs, this.stopping.signal).catch(() => undefined);
    }
  }

  private async prune(): Promise<void> {
    const { db, logger } = this.options;
    const sum = { operations: 0, instances: 0 };
    while (!this.stopping.signal.aborted) {
      const { operations, instances } = await pruneBatch(db, this.options);
      if (operations + instances === 0) break;
      sum.operations += operations;
      sum.instances += instances;
      await systemClock.sleep(BATCH_PAUSE_MS, this.stopping.signal).catch(() => undefined);
    }
    if (sum.operations + sum.instances > 0) logger.info(sum, 'old history taken away');
  }
}
