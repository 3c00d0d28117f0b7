import { errorMessage } from '@virga/core';
import { postOverSocket } from '../health/http-health';
import { loadSite, type Launch } from '../load-site';
import type { Options } from '../options';
import { adminSocket } from '../parts/apps';

/** What the conductor answers to POST /verify. */
export interface VerifyReport {
  clean: boolean;
  violations: { invariant: string; key: string; sentence: string; problem?: string }[];
  repaired: { invariant: string; key: string; sentence: string; done: string }[];
  unchecked: { invariant: string; reason: string }[];
  checked: number;
  deadLetters: number | null;
}

/** Every host is asked, and what looks wrong is looked at twice. */
const TIMEOUT_MS = 180_000;

export function renderReport({ clean, violations, repaired, unchecked, checked, deadLetters }: VerifyReport): string {
  return [
    ...repaired.map(({ invariant, sentence, done }) => `repaired   ${invariant}: ${sentence} Now: ${done}.`),
    ...violations.map(({ invariant, sentence, problem }) => `VIOLATION  ${invariant}: ${sentence}${problem === undefined ? '' : ` Not repaired: ${problem}.`}`),
    ...unchecked.map(({ invariant, reason }) => `UNCHECKED  ${invariant}: ${reason}`),
    ...(deadLetters ? [`note       ${deadLetters} message(s) could not be handled and lie in the broker's queue virga.dead.`] : []),
    clean ? `The cloud is as it must be: ${checked} invariants hold.` : `${violations.length} violation(s), ${unchecked.length} of ${checked + unchecked.length} invariants could not be looked at.`,
  ].join('\n');
}

/** Compares the cloud with itself and prints what is not as it must be; exit code 1 when there is anything. */
export async function verify(launch: Launch, options: Options): Promise<number> {
  const site = loadSite(launch);
  let answer;
  try {
    answer = await postOverSocket(adminSocket(site, 'conductor'), '/verify', { fix: options.fix }, TIMEOUT_MS);
  } catch (error) {
    throw new Error(`the conductor does not answer: ${errorMessage(error)}`);
  }
  if (answer.status !== 200) throw new Error(`the conductor could not compare the cloud with itself (${answer.status}); see ./virga logs conductor`);
  const report = JSON.parse(answer.body) as VerifyReport;
  process.stdout.write(`${options.json ? JSON.stringify(report, null, 2) : renderReport(report)}\n`);
  return report.clean ? 0 : 1;
}
