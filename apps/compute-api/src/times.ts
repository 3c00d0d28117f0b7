/** `2026-11-20T13:51:12Z`: times of servers. */
export const secondTime = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`;
/** `2026-11-20T13:51:12.000000`: times of most other things, without a zone and always UTC. */
export const microTime = (time: Date): string => `${time.toISOString().slice(0, 23)}000`;
export const microTimeOrNull = (time: Date | null): string | null => (time === null ? null : microTime(time));
