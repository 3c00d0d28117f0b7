import { systemClock } from './clock';
import type { Logger } from './logger';

export interface Period {
  /** Between the end of one piece of work and the next, ms. */
  everyMs: number;
  /** Whether the first one waits as long, too. */
  waitFirst?: boolean;
  /** Logged when one fails; the next comes in its time all the same. */
  failed: string;
}

/** Does the same again and again in the background, never twice at once, until it is stopped. */
export abstract class PeriodicWork {
  /** Aborted when the work is to come to an end. */
  protected readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly period: Period, protected readonly logger: Logger) {}

  start(): void {
    this.running ??= this.loop();
  }

  /** Resolves when what was under way has ended. */
  async stop(): Promise<void> {
    this.stopping.abort(new Error('stopping'));
    await this.running;
  }

  protected abstract work(): Promise<unknown>;

  private async loop(): Promise<void> {
    const { everyMs, waitFirst = false, failed } = this.period;
    const pause = () => systemClock.sleep(everyMs, this.stopping.signal).catch(() => undefined);
    if (waitFirst) await pause();
    while (!this.stopping.signal.aborted) {
      try {
        await this.work();
      } catch (error) {
        this.logger.warn({ err: error }, failed);
      }
      await pause();
    }
  }
}
