import type { FilterResult } from '@virga/contracts';
import { CloudError, unavailable } from '@virga/core';

/** Tries, with growing pauses 25 s in all: hosts report every few seconds as soon as somebody hears them. */
const TRIES = 6;

/**
 * A refusal that comes of hosts which have not reported in time is no last word: after an outage of the control plane itself
 * they are all silent for a moment. Gives the error to throw.
 */
export function unlessHostsMayReturn(error: unknown, tries: number): unknown {
  if (!(error instanceof CloudError) || error.type !== 'NoValidHost' || tries >= TRIES) return error;
  const filters = (error.details as { filters?: FilterResult[] } | undefined)?.filters ?? [];
  const silent = filters.some(({ filter, removed }) => filter === 'alive' && removed > 0);
  return silent ? unavailable(error.message, { cause: error }) : error;
}
