import { newUuid, PeriodicWork, systemClock, type Logger } from '@virga/core';
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
export class Pruner extends PeriodicWork {
  private readonly owner = newUuid();
  private readonly leaseMs: number;

  constructor(private readonly options: PrunerOptions) {
    const { logger, everyMs = 600_000 } = options;
    super({ everyMs, failed: 'old history not taken away; trying again later' }, logger);
    this.leaseMs = everyMs * 2;
  }

  protected async work(): Promise<void> {
    if (await takeLease(this.options.db, LEASE, this.owner, this.leaseMs)) await this.prune();
  }

  private async prune(): Promise<void> {
    const { options: { db }, logger } = this;
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
