import { AsyncResource } from 'node:async_hooks';
import type { SimulatedProcess } from './simulated-process';

const real = { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, Date };
const BEGINNING = real.Date.UTC(2026, 0, 1);
/** Rounds of the event loop without anything new after which nothing more comes by itself. */
const QUIET_ROUNDS = 2;

export const realPause = (ms: number): Promise<void> => new Promise((resolve) => { real.setTimeout(resolve, ms); });
export const realTurn = (): Promise<void> => new Promise((resolve) => { real.setImmediate(resolve); });

/** Whose time counts: that of the process which asks; none outside of all worlds, where time is real. */
type Current = () => SimulatedProcess | undefined;

/**
 * Puts clocks and timers of worlds in place of this JavaScript realm's own. A clock shows the time as the process sees it that asks
 * (`SimulatedProcess.skew`); what a dead process had wanted to do never comes. Returns how to take them away again.
 */
export function installTimes(current: Current): () => void {
  const shown = (): number => { const process = current(); return process ? Math.floor(process.time.now + process.skew) : real.Date.now(); };
  class ShownDate extends real.Date {
    constructor(...args: unknown[]) {
      super(...((args.length === 0 ? [shown()] : args) as [number]));
    }
    static override now = shown;
  }
  type Run = (...args: unknown[]) => void;
  const clear = (handle: unknown) => { if (handle instanceof Timer) handle.time.clear(handle); else real.clearTimeout(handle as NodeJS.Timeout); };
  Object.assign(globalThis, {
    Date: ShownDate,
    setTimeout: (run: Run, ms = 0, ...args: unknown[]) => current()?.time.add(() => run(...args), ms, undefined, current()) ?? real.setTimeout(run, ms, ...args),
    setInterval: (run: Run, ms = 0, ...args: unknown[]) => current()?.time.add(() => run(...args), ms, Math.max(1, ms), current()) ?? real.setInterval(run, ms, ...args),
    clearTimeout: clear,
    clearInterval: clear,
    setImmediate: (run: Run, ...args: unknown[]) => {
      const of = current();
      return of ? of.time.soon(() => { if (!of.dead) run(...args); }) : real.setImmediate(run, ...args);
    },
  });
  return () => { Object.assign(globalThis, real); };
}

class Timer {
  private readonly context = new AsyncResource('SimulatedTimer');
  constructor(readonly time: SimulatedTime, private readonly work: () => void, public due: number, private readonly ms: number, readonly every: number | undefined, readonly of: SimulatedProcess | undefined) {}
  run(): void {
    this.context.runInAsyncScope(this.work);
  }
  ref(): this { return this; }
  unref(): this { return this; }
  hasRef(): boolean { return true; }
  refresh(): this {
    this.time.clear(this);
    this.due = this.time.now + this.ms;
    this.time.place(this);
    return this;
  }
}

/** The time of one world: it passes only when nobody there has anything to do. */
export class SimulatedTime {
  /** True time, ms since the epoch. */
  now = BEGINNING;
  private timers: Timer[] = [];
  private immediates = 0;

  /** Back to the beginning, with nothing that is still to come. */
  restart(): void {
    this.now = BEGINNING;
    this.timers = [];
  }

  /** Resolves when every process waits for a timer, the database or a message. */
  async quiet(): Promise<void> {
    for (let rounds = 0; rounds < QUIET_ROUNDS; rounds++) {
      await realTurn();
      if (this.immediates > 0) rounds = -1;
    }
  }

  /** Lets a little time pass while processes are at work, and whoever waited for it get on. */
  async pass(ms: number): Promise<void> {
    this.now += ms;
    if (this.fireDue()) await this.quiet();
  }

  /** To the next timer; false when there is none. */
  next(): boolean {
    while (this.timers[0]?.of?.dead) this.timers.shift();
    const [timer] = this.timers;
    if (!timer) return false;
    this.now = Math.max(this.now, timer.due);
    this.fireDue();
    return true;
  }

  private fireDue(): boolean {
    let fired = false;
    // What they set anew is not due at this moment, or comes with the next.
    for (let left = this.timers.length; left > 0 && this.timers[0] && this.timers[0].due <= this.now; left--) {
      const timer = this.timers.shift()!;
      if (timer.of?.dead) continue;
      if (timer.every !== undefined) {
        timer.due = this.now + timer.every;
        this.place(timer);
      }
      timer.run();
      fired = true;
    }
    return fired;
  }

  soon(run: () => void): NodeJS.Immediate {
    this.immediates++;
    return real.setImmediate(() => {
      this.immediates--;
      run();
    });
  }

  add(run: () => void, ms: number, every: number | undefined, of: SimulatedProcess | undefined): Timer {
    const wait = Math.max(1, Number.isFinite(ms) ? ms : 1);
    const timer = new Timer(this, run, this.now + wait, wait, every, of);
    this.place(timer);
    return timer;
  }

  /** Equal times in the order in which they were set. */
  place(timer: Timer): void {
    let at = this.timers.length;
    while (at > 0 && this.timers[at - 1]!.due > timer.due) at--;
    this.timers.splice(at, 0, timer);
  }

  clear(timer: Timer): void {
    const at = this.timers.indexOf(timer);
    if (at >= 0) this.timers.splice(at, 1);
  }
}
