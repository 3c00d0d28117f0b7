import { systemClock } from '@virga/core';
import type { Kysely } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { LIVE_STATES, type OperationEnd, type OperationFailure } from './operation';

export interface EndedOperation { end: OperationEnd; failure?: OperationFailure }

/**
 * How an operation ended, for requests that are answered with the outcome; undefined when it has not within `patienceMs`.
 * It goes on whether or not somebody waits.
 */
export async function awaitOperation(db: Kysely<ComputeDb>, operationId: string, patienceMs: number): Promise<EndedOperation | undefined> {
  const end = systemClock.now() + patienceMs;
  for (let pause = 20; ; pause = Math.min(pause * 1.5, 250)) {
    const row = await db.selectFrom('operations').select(['state', 'error_json']).where('id', '=', operationId).executeTakeFirst();
    if (row && !(LIVE_STATES as readonly string[]).includes(row.state)) {
      return { end: row.state as OperationEnd, ...(row.error_json !== null && { failure: JSON.parse(row.error_json) as OperationFailure }) };
    }
    if (systemClock.now() >= end) return undefined;
    await systemClock.sleep(pause);
  }
}
