import { badRequest } from '@virga/core';

export interface PageRequest { limit: number; marker?: string }

/** Reads `limit` and `marker`; `maxLimit` also stands where no limit was given, and caps a larger one. */
export function readPage(query: { limit?: string; marker?: string }, maxLimit: number): PageRequest {
  const page: PageRequest = { limit: maxLimit };
  if (query.limit !== undefined) {
    if (!/^\d{1,10}$/.test(query.limit)) throw badRequest(`limit must be an integer of 0 or more, and not ${JSON.stringify(String(query.limit).slice(0, 40))}.`, { type: 'InvalidInput' });
    page.limit = Math.min(Number(query.limit), maxLimit);
  }
  if (query.marker !== undefined && query.marker !== '') page.marker = query.marker;
  return page;
}

const wrongDirection = () => badRequest('The sort direction must be asc or desc.', { type: 'InvalidInput' });

/** `names,with,keys` and directions to pairs; only keys of `allowed` pass. */
export function readSort<K extends string>(
  query: { sort?: string; sort_key?: string | string[]; sort_dir?: string | string[] }, allowed: readonly K[], fallback: [K, 'asc' | 'desc'][],
): [K, 'asc' | 'desc'][] {
  const pairs: [string, string][] = query.sort
    ? query.sort.split(',').map((entry) => { const [key = '', dir = 'asc'] = entry.split(':'); return [key, dir]; })
    : [query.sort_key ?? []].flat().map((key, index) => [key, [query.sort_dir ?? []].flat()[index] ?? fallback[0]?.[1] ?? 'desc']);
  // A direction is judged even where no key uses it, as nova's schema does.
  if ([query.sort_dir ?? []].flat().some((dir) => dir !== 'asc' && dir !== 'desc')) throw wrongDirection();
  if (pairs.length === 0) return fallback;
  return pairs.map(([key, dir]) => {
    if (!(allowed as readonly string[]).includes(key)) throw badRequest(`${JSON.stringify(key.slice(0, 60))} is not a key to sort by.`, { type: 'InvalidInput' });
    if (dir !== 'asc' && dir !== 'desc') throw wrongDirection();
    return [key as K, dir];
  });
}
