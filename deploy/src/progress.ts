import type { GraphWatcher } from './task-graph';

/** Lines of progress: elapsed time since the command was typed, what, how long it took. */
export class Progress implements GraphWatcher {
  private readonly active = new Set<string>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly startedAt: number, private readonly write: (line: string) => void = (line) => process.stdout.write(`${line}\n`)) {}

  say(text: string): void {
    this.write(`[${((Date.now() - this.startedAt) / 1000).toFixed(1).padStart(6)} s] ${text}`);
  }

  started(name: string): void {
    this.active.add(name);
    // Tells somebody who waits what is being waited for.
    this.timer ??= setInterval(() => { if (this.active.size > 0) this.say(`... ${[...this.active].join(', ')}`); }, 10_000);
    this.timer.unref();
  }

  ended(name: string, ms: number, note: string | void): void {
    this.active.delete(name);
    this.say(`${name}: ${note ?? 'ready'}${ms >= 100 ? ` (${(ms / 1000).toFixed(1)} s)` : ''}`);
  }

  failed(name: string, ms: number, error: unknown): void {
    this.active.delete(name);
    this.say(`${name}: FAILED after ${(ms / 1000).toFixed(1)} s: ${error instanceof Error ? error.message : String(error)}`);
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
