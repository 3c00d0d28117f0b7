import { createHash } from 'node:crypto';
import type { CompiledQuery, QueryResult } from 'kysely';
import type { Random } from './random';
import type { SimulatedProcess } from './simulated-process';
import type { SimulatedTime } from './simulated-time';

/** Of processes at work together, ms a statement. */
const STATEMENT_MS = 0.5;
/** After so long a statement gives up waiting for a lock, ms; as the database does by itself. */
const LOCK_WAIT_MS = 50_000;

export const deadlock = (): Error => Object.assign(new Error('Simulated: deadlock.'), { errno: 1213, code: 'ER_LOCK_DEADLOCK' });
const mustWait = (error: unknown): boolean => (error as { errno?: number } | null)?.errno === 1205;

/** Sees a statement in its turn, before it is done; what it returns is told how many rows it has changed. */
export type Observer = (query: CompiledQuery, ask: <R>(sql: string, parameters: unknown[]) => Promise<QueryResult<R>>) => Promise<((changed: number) => void) | undefined>;

/** Whose statement it is. */
export interface Holder {
  readonly process: SimulatedProcess | undefined;
  /** True from its first statement that may have locked something until its transaction ends. */
  readonly holds: boolean;
  /** The database takes back what it has done in its transaction. */
  takeBack(): Promise<void>;
}

interface Turn { ticket: number; of: Holder; work: () => Promise<void>; refuse: (error: Error) => void; until: number }

/**
 * Gives one statement at a time its turn, chosen by the seed among those that wait for theirs: so the order in which processes reach the
 * database is part of the schedule. The database never lets a statement wait for a lock; one that meets a lock is done again when somebody
 * has given locks back. So who goes on then is chosen by the seed too, and so is who loses when all who hold something wait.
 */
export class DatabaseTurns {
  private waiting: Turn[] = [];
  private blocked: Turn[] = [];
  private readonly holders = new Set<Holder>();
  /** What the database does for clients that have died, before anything else. */
  private readonly burials: (() => Promise<void>)[] = [];
  statements = 0;
  random: Random | undefined;
  observe: Observer | undefined;
  /** Each process takes its own clock for the database's: a planted bug. */
  localClocks = false;
  private tickets = 0;
  private course = createHash('sha256');

  constructor(private readonly time: SimulatedTime) {}

  /** `ticket` tells those apart that wait at once, and follows from the order in which they were asked for. */
  ask<T>(ticket: number, of: Holder, work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, refuse) => {
      this.waiting.push({ ticket, of, refuse, until: Infinity, work: () => work().then(resolve) });
    });
  }

  get ticket(): number {
    return ++this.tickets;
  }

  /** Says which statements there have been since it was last asked, when each was done and in which order. */
  courseSoFar(): string {
    const course = this.course.digest('hex');
    this.course = createHash('sha256');
    return course;
  }

  note(sql: string): void {
    this.course.update(`${this.time.now} ${sql}\n`);
  }

  holds(holder: Holder): void {
    this.holders.add(holder);
  }

  /** Who waited for a lock tries again. */
  released(holder: Holder): void {
    if (!this.holders.delete(holder)) return;
    this.waiting.push(...this.blocked);
    this.blocked = [];
  }

  bury(work: () => Promise<void>): void {
    this.burials.push(work);
  }

  /** Does what is next to be done in the database; false when that is nothing until time passes. */
  async next(): Promise<boolean> {
    const burial = this.burials.shift();
    if (burial) {
      await burial();
      return true;
    }
    this.waiting = this.waiting.filter(({ of: { process } }) => !process?.dead);
    this.blocked = this.blocked.filter(({ of: { process } }) => !process?.dead);
    if (this.waiting.length > 0) await this.give(this.taken(this.waiting));
    else return this.loosen();
    return true;
  }

  private taken(turns: Turn[]): Turn {
    turns.sort((a, b) => a.ticket - b.ticket);
    return turns.splice(this.random!.below(turns.length), 1)[0]!;
  }

  private async give(turn: Turn): Promise<void> {
    this.statements++;
    await this.time.pass(STATEMENT_MS);
    // Time that passes brings the ends of processes too.
    if (turn.of.process?.dead) return;
    try {
      await turn.work();
    } catch (error) {
      if (!mustWait(error)) return turn.refuse(error as Error);
      turn.until = Math.min(turn.until, this.time.now + LOCK_WAIT_MS);
      if (turn.until <= this.time.now) return turn.refuse(error as Error);
      this.blocked.push(turn);
    }
  }

  /** When all who hold something wait for a lock, one of them must lose; true when somebody can go on then. */
  private async loosen(): Promise<boolean> {
    const tooLong = this.blocked.filter(({ until }) => until <= this.time.now);
    if (tooLong.length > 0) {
      this.blocked = this.blocked.filter((turn) => !tooLong.includes(turn));
      this.waiting.push(...tooLong);
      return true;
    }
    const stuck = this.blocked.filter(({ of }) => of.holds);
    if (this.blocked.length === 0 || [...this.holders].some((holder) => !stuck.some(({ of }) => of === holder))) return false;
    if (stuck.length === 0) throw new Error('Statements wait for locks that nobody holds.');
    const loser = this.taken(stuck);
    this.blocked = this.blocked.filter((turn) => turn !== loser);
    await loser.of.takeBack();
    loser.refuse(deadlock());
    return true;
  }
}
