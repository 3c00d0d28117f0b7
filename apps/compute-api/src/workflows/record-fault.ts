import type { FilterResult } from '@virga/contracts';
import type { Transaction } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';
import type { OperationFailure } from '../operations/operation';

/** Keeps why an operation on an instance failed, as the API's `fault` shows it. */
export async function recordFault(trx: Transaction<ComputeDb>, instanceId: string, failure: OperationFailure, message = failure.message): Promise<void> {
  const details = { step: failure.step, ...(failure.type && { type: failure.type }), ...(failure.details !== undefined && { details: failure.details }) };
  await trx.insertInto('instance_faults').values({
    instance_id: instanceId, code: 500, message: message.slice(0, 2000), details: JSON.stringify(details).slice(0, 60_000), created_at: dbNow,
  }).execute();
}

/** `No valid host was found.` with what each filter took away and why, so that nobody has to read logs. */
export function noValidHostMessage(failure: OperationFailure): string {
  const filters = ((failure.details as { filters?: FilterResult[] } | undefined)?.filters ?? []).filter(({ removed }) => removed > 0);
  const told = filters.map(({ filter, before, removed, reason }) => `${filter} removed ${removed} of ${before} ${before === 1 ? 'host' : 'hosts'}: ${reason.replace(/\.$/, '')}`);
  return ['No valid host was found.', ...(told.length > 0 ? [`${told.join('; ')}.`] : [])].join(' ');
}
