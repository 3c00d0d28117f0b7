import { systemClock } from '@virga/core';
import type { Cost, Invariant, RepairContext } from './invariant';
import { repairOne, runPass, type Pass } from './run-pass';

export interface VerifyReport {
  /** True when all was looked at and nothing is wrong (any more). */
  clean: boolean;
  violations: { invariant: string; key: string; sentence: string; problem?: string }[];
  repaired: { invariant: string; key: string; sentence: string; done: string }[];
  unchecked: { invariant: string; reason: string }[];
  /** Invariants that were looked at. */
  checked: number;
  deadLetters: number | null;
}

const ALL: ReadonlySet<Cost> = new Set(['database', 'services', 'hosts']);

/** What is there in both of two passes: everything else somebody was just changing. */
async function lookTwice(context: RepairContext, invariants: readonly Invariant[], pauseMs: number): Promise<Pass> {
  const first = await runPass(context, invariants, ALL);
  if (first.found.size === 0 && first.unchecked.length === 0) return first;
  await systemClock.sleep(pauseMs);
  const second = await runPass(context, invariants, ALL);
  const missing = new Set(first.unchecked.map(({ invariant }) => invariant));
  return { found: new Map([...second.found].filter(([key, { invariant }]) => first.found.has(key) || missing.has(invariant.name))), unchecked: second.unchecked };
}

/** The whole list, on demand; `fix` repairs what may be repaired and looks again. */
export async function verifyCloud(
  context: RepairContext & { deadLetters?: () => Promise<number> }, invariants: readonly Invariant[], { fix, pauseMs = 2500 }: { fix: boolean; pauseMs?: number },
): Promise<VerifyReport> {
  let pass = await lookTwice(context, invariants, pauseMs);
  const repaired: VerifyReport['repaired'] = [];
  const problems = new Map<string, string>();
  if (fix && pass.found.size > 0) {
    for (const [key, found] of pass.found) {
      const { done, problem } = await repairOne(found, context);
      if (done !== undefined) repaired.push({ invariant: found.invariant.name, key: found.violation.key, sentence: found.violation.sentence, done });
      if (problem !== undefined) problems.set(key, problem);
    }
    await systemClock.sleep(pauseMs);
    pass = await lookTwice(context, invariants, pauseMs);
  }
  const violations = [...pass.found].map(([key, { invariant, violation }]) => ({
    invariant: invariant.name, key: violation.key, sentence: violation.sentence, ...(problems.has(key) && { problem: problems.get(key)! }),
  }));
  const deadLetters = context.deadLetters ? await context.deadLetters().catch(() => null) : null;
  return { clean: violations.length === 0 && pass.unchecked.length === 0, violations, repaired, unchecked: pass.unchecked, checked: invariants.length - pass.unchecked.length, deadLetters };
}
