/** `2026-11-20T13:51:12Z`: times of servers. */
export const secondTime = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`;
/** `2026-11-20T13:51:12.000000`: times of most other things, without a zone and always UTC. */
export const microTime = (time: Date): string => `${time.toISOString().slice(0, 23)}000`;
export const microTimeOrNull = (time: Date | null): string | null => (time === null ? null : microTime(time));

const ISO = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?)?(Z|[+-]\d\d(:?\d\d)?)?$/i;
/** A time as clients write it in queries (ISO 8601; without a zone it is UTC); undefined when it is none. */
export function readTime(text: string): Date | undefined {
  const match = ISO.exec(text);
  if (!match) return undefined;
  const [zoned, day] = [match[4] !== undefined, match[1] === undefined];
  const read = Date.parse(day ? text.slice(0, 10) : zoned ? text.replace(/([+-]\d\d)$/, '$1:00') : `${text}Z`);
  return Number.isNaN(read) ? undefined : new Date(read);
}
