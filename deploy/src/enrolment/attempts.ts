/** How often one may fail, and all together, within the window. */
export interface Limits { windowMs: number; perAddress: number; inAll: number }

export const DEFAULT_LIMITS: Limits = { windowMs: 60_000, perAddress: 10, inAll: 200 };

/** Counts refused requests: a machine that keeps failing is not listened to for a while. */
export class Attempts {
  private failures: { address: string; at: number }[] = [];

  constructor(private readonly limits: Limits = DEFAULT_LIMITS, private readonly now: () => number = Date.now) {}

  /** Seconds until the address is listened to again; undefined when it is. */
  pause(address: string): number | undefined {
    this.failures = this.failures.filter(({ at }) => at > this.now() - this.limits.windowMs);
    const own = this.failures.filter((failure) => failure.address === address);
    if (own.length < this.limits.perAddress && this.failures.length < this.limits.inAll) return undefined;
    const first = (own.length >= this.limits.perAddress ? own : this.failures)[0]!;
    return Math.max(1, Math.ceil((first.at + this.limits.windowMs - this.now()) / 1000));
  }

  failed(address: string): void {
    this.failures.push({ address, at: this.now() });
  }
}
