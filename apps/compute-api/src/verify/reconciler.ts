import { newUuid, PeriodicWork } from '@virga/core';
import { takeLease } from '../db/take-lease';
import type { Cost, Invariant, RepairContext } from './invariant';
import { repairOne, runPass } from './run-pass';

export interface ReconcilerOptions extends RepairContext {
  invariants: readonly Invariant[];
  /** Between two passes, ms. */
  everyMs?: number;
  /** Every how many passes the hosts are asked, too. */
  hostsEvery?: number;
  events?: {
    passed(violations: ReadonlyMap<string, number>, unchecked: number, seconds: number): void;
    repaired(invariant: string): void;
  };
}

const LEASE = 'reconciler';

/**
 * Compares the cloud with itself, again and again, and repairs what it finds in two passes one after the other. Of all
 * conductors the holder of the lease does it.
 */
export class Reconciler extends PeriodicWork {
  private readonly owner = newUuid();
  private passes = 0;
  /** What the last pass that looked at an invariant found of it. */
  private readonly suspects = new Map<string, Set<string>>();

  private readonly leaseMs: number;

  constructor(private readonly options: ReconcilerOptions) {
    const { everyMs = 15_000, logger } = options;
    super({ everyMs, waitFirst: true, failed: 'the cloud could not be compared with itself; trying again' }, logger);
    this.leaseMs = everyMs * 2 + 30_000;
  }

  protected async work(): Promise<void> {
    if (await takeLease(this.options.db, LEASE, this.owner, this.leaseMs)) await this.pass();
    else this.suspects.clear();
  }

  /** One pass; returns how many violations it saw. */
  async pass(): Promise<number> {
    const { options: { invariants, hostsEvery = 4, events }, logger } = this;
    const began = Date.now();
    // Twice in a row: a suspicion is confirmed by the pass that follows.
    const withHosts = this.passes % hostsEvery < 2;
    this.passes++;
    const costs: ReadonlySet<Cost> = new Set<Cost>(['database', 'services', ...(withHosts ? ['hosts' as const] : [])]);
    const { found, unchecked } = await runPass(this.options, invariants, costs);
    const skipped = new Set(unchecked.map(({ invariant }) => invariant));
    const counts = new Map<string, number>();
    for (const invariant of invariants) {
      if (!costs.has(invariant.cost) || skipped.has(invariant.name)) continue;
      const mine = [...found].filter(([, one]) => one.invariant === invariant);
      counts.set(invariant.name, mine.length);
      const before = this.suspects.get(invariant.name) ?? new Set<string>();
      this.suspects.set(invariant.name, new Set(mine.map(([key]) => key)));
      for (const [key, one] of mine) {
        if (!before.has(key) || this.stopping.signal.aborted) continue;
        if (!invariant.repair) logger.warn({ invariant: invariant.name, key: one.violation.key }, one.violation.sentence);
        else if ((await repairOne(one, this.options)).done !== undefined) events?.repaired(invariant.name);
      }
    }
    if (unchecked.length > 0) logger.info({ unchecked }, 'some of the cloud could not be looked at');
    events?.passed(counts, unchecked.length, (Date.now() - began) / 1000);
    return found.size;
  }
}
