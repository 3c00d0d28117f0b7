import { AsyncLocalStorage } from 'node:async_hooks';
import type { Random } from './random';
import type { SimulatedTime } from './simulated-time';

export const FAULT_KINDS = [
  'lost', 'answerLost', 'repeated', 'delayed', 'databaseError', 'deadlock', 'commitAnswerLost', 'clockSkew', 'conductorCrash', 'apiCrash', 'agentCrash', 'hostCrash',
  'hostRefuses', 'freeze',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];
export type FaultCounts = Partial<Record<FaultKind, number>>;

/** What a process shares with all others of its world. */
export interface Surroundings {
  time: SimulatedTime;
  /** Chance in what product code draws for itself: ids, pauses. */
  chance: Random;
  /** In whose name things happen that are no process's. */
  outsider: SimulatedProcess;
}

export interface ProcessSpec {
  world: Surroundings;
  name: string;
  random: Random;
  counts: FaultCounts;
  /** What goes wrong instead of anything else that could. */
  favours?: FaultKind | undefined;
  /** Share of statements that go wrong. */
  rate: number;
  /** After so many statements and messages the process is killed. */
  crashAt?: number;
  /** How its death is counted. */
  crash?: FaultKind | undefined;
  /** By how much its clock is wrong, ms. */
  skew?: number;
}

const running = new AsyncLocalStorage<SimulatedProcess>();
export const currentProcess = (): SimulatedProcess | undefined => running.getStore();

/** A promise of a dead process: whatever waits for it never goes on. */
export const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

/**
 * One of the processes that are played in this one. What it does by time, bus, database and disk asks here what befalls it; once it
 * has been killed, nothing that it had begun goes on.
 */
export class SimulatedProcess {
  dead = false;
  calm = false;
  skew: number;
  private asked = 0;
  private readonly atDeath = new Set<() => void>();

  constructor(readonly spec: ProcessSpec) {
    this.skew = spec.skew ?? 0;
  }

  run<T>(work: () => T): T {
    return running.run(this, work);
  }

  /** What others do about its death, at once if it has died already (it may have while it began); the result takes it back. */
  onDeath(listener: () => void): () => void {
    if (this.dead) listener();
    this.atDeath.add(listener);
    return () => { this.atDeath.delete(listener); };
  }

  /** The fault that this moment brings, out of those that can befall it; `times` as likely as with a statement. */
  draw<K extends FaultKind>(kinds: readonly K[], times = 1): K | undefined {
    if (this.calm || this.dead) return undefined;
    const { random, rate, crashAt, favours } = this.spec;
    if (++this.asked === crashAt) {
      this.kill();
      return undefined;
    }
    const [luck, which] = [random.next(), random.below(kinds.length)];
    if (luck >= rate * times) return undefined;
    const kind = kinds.find((one) => one === favours) ?? kinds[which]!;
    this.count(kind);
    return kind;
  }

  get time(): SimulatedTime {
    return this.spec.world.time;
  }

  get random(): Random {
    return this.spec.random;
  }

  kill(): void {
    if (this.dead) return;
    this.dead = true;
    if (this.spec.crash) this.count(this.spec.crash);
    for (const listener of [...this.atDeath]) listener();
    this.atDeath.clear();
  }

  count(kind: FaultKind): void {
    this.spec.counts[kind] = (this.spec.counts[kind] ?? 0) + 1;
  }
}
