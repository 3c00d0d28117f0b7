import { errorMessage, type Logger } from '@virga/core';
import type { VirtDriver } from '../virt/virt-driver';

const CHECK_MS = 1000;
/** Power states of a machine whose processor may still write: running, paused. */
const ALIVE: readonly number[] = [1, 3];

/**
 * Switches the host's guests off when the control plane has not answered for too long: it will take this host for dead and
 * may start them elsewhere. Once it answers again, the guests that are still this host's are started again.
 */
export class SelfFence {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  /** Guests that end meanwhile were not ended by themselves. */
  fenced = false;

  constructor(
    private readonly driver: Pick<VirtDriver, 'list' | 'powerOff'>, private readonly heartbeat: { silentMs(): number }, private readonly patienceMs: number,
    private readonly restore: () => Promise<void>, private readonly logger: Logger,
  ) {}

  start(): void {
    this.timer = setInterval(() => { this.running ??= this.check().finally(() => { this.running = undefined; }); }, CHECK_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  /** One look at the clock. A guest that cannot be switched off is tried again with the next. */
  async check(): Promise<void> {
    const silent = this.heartbeat.silentMs() >= this.patienceMs;
    try {
      if (silent) await this.fence();
      else if (this.fenced) {
        await this.restore();
        this.fenced = false;
        this.logger.warn('the control plane answers again; guests that are still on this host run again');
      }
    } catch (error) {
      this.logger.error({ reason: errorMessage(error) }, 'self-fencing is tried again');
    }
  }

  private async fence(): Promise<void> {
    if (!this.fenced) this.logger.error({ patienceMs: this.patienceMs }, 'the control plane has been silent for too long: the guests of this host are switched off');
    // What is wanted of them stays written down, so that they can be brought back.
    this.fenced = true;
    const alive = (await this.driver.list()).filter(({ powerState }) => ALIVE.includes(powerState));
    await Promise.all(alive.map(({ instanceId }) => this.driver.powerOff(instanceId)));
  }
}
