import { systemClock } from '@virga/core';
import type { Kysely } from '@virga/db';
import type { NetworkSchema } from '../db/tables';
import { pendingSync } from './sync-queue';

/** How often the queue is looked at while somebody waits for it, ms: the writer may be another process. */
const LOOK_EVERY_MS = 100;

/** Tells the writer that there is work, and waits for it to be done. */
export class SyncWaiter {
  private readonly waiting = new Map<() => void, ReadonlySet<string>>();

  constructor(private readonly db: Kysely<NetworkSchema>, private readonly wakeWriter: () => void) {}

  /** A transaction that queued changes was committed. */
  changed(): void {
    this.wakeWriter();
  }

  /** The writer of this process has written these resources: who waits for any of them looks again. */
  applied(ids: readonly string[]): void {
    for (const [wake, wanted] of this.waiting) if (ids.some((id) => wanted.has(id))) wake();
  }

  /**
   * True as soon as no change of these resources waits to be written; false after `timeoutMs`. `changed` tells that one was committed
   * just now: the writer is woken, and there is nothing to see before it has written.
   */
  async written(ids: readonly string[], { timeoutMs, changed }: { timeoutMs: number; changed: boolean }): Promise<boolean> {
    const deadline = Date.now() + timeoutMs;
    if (changed) {
      const pause = this.pause(new Set(ids));
      this.changed();
      await pause;
    }
    while (await pendingSync(this.db, ids) > 0) {
      if (Date.now() >= deadline) return false;
      await this.pause(new Set(ids));
    }
    return true;
  }

  private async pause(ids: ReadonlySet<string>): Promise<void> {
    const abort = new AbortController();
    const wake = () => abort.abort(new Error('woken'));
    this.waiting.set(wake, ids);
    await systemClock.sleep(LOOK_EVERY_MS, abort.signal).catch(() => undefined);
    this.waiting.delete(wake);
  }
}
