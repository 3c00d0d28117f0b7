import { conflict } from '@virga/core';
import type { Transaction } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import type { Operation, OperationFailure } from '../operations/operation';
import type { Workflow } from '../operations/workflow';
import { noValidHostMessage, recordFault } from './record-fault';

/** Hosts that one operation tries, one after the other. */
const ATTEMPTS = 3;

type Data = Operation['data'];
interface FailedAttempt { host: string | null; message: string }

/** Hosts on which the operation has failed already; the scheduler is to leave them out. */
export const failedHostIds = (data: Data): string[] => (data.failedHostIds as string[] | undefined) ?? [];

/** What went wrong there, the first one first. */
export const failedAttempts = (data: Data): FailedAttempt[] => (data.failures as FailedAttempt[] | undefined) ?? [];

/**
 * Undoes down to the step `from`, which chooses a host, and goes on with another one. `idKey` and `nameKey` say where in the operation's
 * data the host of the present attempt stands.
 */
export const tryElsewhere = (from: string, idKey: string, nameKey: string): NonNullable<Workflow['retry']> => ({
  from,
  attempts: ATTEMPTS,
  note: (data, failure) => ({
    ...data,
    failedHostIds: [...failedHostIds(data), ...(typeof data[idKey] === 'string' ? [data[idKey]] : [])],
    failures: [...failedAttempts(data), { host: data[nameKey] ?? null, message: failure.message }],
  }),
});

/** Whoever names a host wants no other: what went wrong there is the answer. Throws a conflict of that type. */
export function refuseOtherThan(host: string | undefined, data: Data, type: string): void {
  const [first] = failedAttempts(data);
  if (host !== undefined && first) throw conflict(first.message, { type });
}

/** Keeps why the operation failed, with what went wrong on each host; without a `message` that of the failure, or of all when no host is left. */
export async function recordAttempts(trx: Transaction<ComputeDb>, { instanceId, data }: Operation, failure: OperationFailure, message?: string): Promise<void> {
  const failures = failedAttempts(data);
  const told = failure.type === 'NoValidHost' ? [noValidHostMessage(failure), ...failures.map((one) => one.message)].join(' ') : failure.message;
  await recordFault(trx, instanceId, { ...failure, details: { failures, cause: failure.details } }, message ?? told);
}
