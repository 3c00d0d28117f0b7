import { errorMessage, systemClock, type Logger } from '@virga/core';
import type { agentGatewayContract } from '@virga/contracts';
import type { Client } from '@virga/rpc';
import type { HostDescription } from './describe-host';

type Gateway = Client<typeof agentGatewayContract>;

const FIRST_INTERVAL_MS = 3000;
const RETRY_MS = 1000;

/** Tells the control plane every few seconds that this host lives, what it has, and what really runs on it. */
export class Heartbeat {
  private readonly stopping = new AbortController();
  private pause = new AbortController();
  private running: Promise<void> | undefined;
  private intervalMs = FIRST_INTERVAL_MS;
  /** Milliseconds since the epoch of the last heartbeat that was answered. */
  lastAnswered = 0;
  private answeredAt = performance.now();

  constructor(private readonly describe: () => Promise<HostDescription>, private readonly gateway: Pick<Gateway, 'heartbeat'>, private readonly nextSequence: () => number, private readonly logger: Logger) {}

  /** @param delayMs before the first one */
  start(delayMs = 0): void {
    this.running = this.loop(delayMs);
  }

  /** Since the last answer, or the beginning, by a clock that nobody sets. */
  silentMs(): number {
    return performance.now() - this.answeredAt;
  }

  /** Sends the next one at once, e.g. after events may have been missed. */
  hurry(): void {
    this.pause.abort(new Error('hurry'));
  }

  async stop(): Promise<void> {
    this.stopping.abort(new Error('stopping'));
    this.hurry();
    await this.running;
  }

  private async loop(delayMs: number): Promise<void> {
    if (delayMs > 0) await systemClock.sleep(delayMs, this.pause.signal).catch(() => undefined);
    while (!this.stopping.signal.aborted) {
      let wait = this.intervalMs;
      try {
        const { intervalMs } = await this.gateway.heartbeat({ ...(await this.describe()), sequence: this.nextSequence() });
        this.intervalMs = wait = intervalMs;
        this.lastAnswered = Date.now();
        this.answeredAt = performance.now();
      } catch (error) {
        this.logger.warn({ reason: errorMessage(error) }, 'heartbeat was not taken');
        wait = RETRY_MS;
      }
      this.pause = new AbortController();
      if (this.stopping.signal.aborted) return;
      await systemClock.sleep(wait, this.pause.signal).catch(() => undefined);
    }
  }
}
