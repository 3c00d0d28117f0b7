import { CloudError } from './errors';
import { systemClock, type Clock } from './clock';

export interface RetryPolicy {
  attempts: number;
  /** First pause in ms; doubles each time. */
  baseMs: number;
  maxMs: number;
}

/** Pause before attempt `n` (1-based) with full jitter, so that many clients do not come back in step. */
export function backoffMs(policy: RetryPolicy, attempt: number, random: () => number = Math.random): number {
  return Math.round(random() * Math.min(policy.maxMs, policy.baseMs * 2 ** (attempt - 1)));
}

export const isRetryable = (error: unknown): boolean => error instanceof CloudError && error.retryable;

/** Runs `work` until it succeeds, the error is fatal by `retryable`, or the attempts are used up; throws the last error. */
export async function retry<T>(
  policy: RetryPolicy,
  work: (attempt: number) => Promise<T>,
  retryable: (error: unknown) => boolean = isRetryable,
  clock: Clock = systemClock,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      if (attempt >= policy.attempts || !retryable(error)) throw error;
      await clock.sleep(backoffMs(policy, attempt));
    }
  }
}
