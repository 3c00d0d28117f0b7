/** Finds a dead daemon on an idle connection: pings when nothing was received, gives up after too many in a row. */
export interface KeepaliveOptions {
  /** Silence before a ping, in ms. */
  intervalMs: number;
  /** Pings without any received byte before the connection is declared dead. */
  count: number;
}

export class Keepalive {
  private timer?: NodeJS.Timeout;
  private heard = false;
  private missed = 0;

  constructor(
    private readonly options: KeepaliveOptions,
    private readonly ping: () => void,
    private readonly dead: (silentMs: number) => void,
  ) {}

  start(): void {
    this.timer = setInterval(() => this.tick(), this.options.intervalMs);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** To be called for every received chunk: any byte proves that the daemon lives. */
  received(): void {
    this.heard = true;
    this.missed = 0;
  }

  private tick(): void {
    if (this.heard) {
      this.heard = false;
      return;
    }
    if (this.missed >= this.options.count) {
      this.stop();
      this.dead(this.missed * this.options.intervalMs);
      return;
    }
    this.missed += 1;
    this.ping();
  }
}
