import { errorMessage } from '@virga/core';
import { CloudView } from './cloud-view';
import type { Cost, Invariant, RepairContext, Violation } from './invariant';

export interface Found {
  invariant: Invariant;
  violation: Violation;
}

export interface Pass {
  /** By `invariant/key`. */
  found: Map<string, Found>;
  /** What could not be looked at, and why. */
  unchecked: { invariant: string; reason: string }[];
}

/** Looks at the cloud once. What somebody is changing at this moment may show; only what is there twice counts. */
export async function runPass({ db, bus }: Pick<RepairContext, 'db' | 'bus'>, invariants: readonly Invariant[], costs: ReadonlySet<Cost>): Promise<Pass> {
  const view = new CloudView(db, bus);
  const pass: Pass = { found: new Map(), unchecked: [] };
  const chosen = invariants.filter(({ cost }) => costs.has(cost));
  // The books are read last: see CloudView.
  await Promise.allSettled([...(costs.has('services') ? [view.allocations(), view.placementHosts(), view.ports()] : []), ...(costs.has('hosts') ? [view.hosts()] : [])]);
  for (const invariant of chosen) {
    try {
      for (const violation of await invariant.find(view)) pass.found.set(`${invariant.name}/${violation.key}`, { invariant, violation });
    } catch (error) {
      pass.unchecked.push({ invariant: invariant.name, reason: errorMessage(error) });
    }
  }
  return pass;
}

/** Repairs one violation; says what was done, or that it could not be. */
export async function repairOne({ invariant, violation }: Found, context: RepairContext): Promise<{ done?: string; problem?: string }> {
  if (!invariant.repair) return { problem: 'only a person can judge this' };
  try {
    const done = await invariant.repair(violation, context);
    if (done === undefined) return {};
    context.logger.warn({ invariant: invariant.name, key: violation.key, violation: violation.sentence, done }, 'the cloud was not as it must be and was repaired');
    return { done };
  } catch (error) {
    context.logger.warn({ invariant: invariant.name, violation: violation.sentence, reason: errorMessage(error) }, 'not repaired; it is tried again');
    return { problem: errorMessage(error) };
  }
}
