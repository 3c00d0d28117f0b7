/** What a project may have, with the limits that hold when nobody set others (nova's); -1 is no limit. */
export const DEFAULT_QUOTAS = {
  instances: 10,
  cores: 20,
  ram: 51_200,
  metadata_items: 128,
  injected_files: 5,
  injected_file_content_bytes: 10_240,
  injected_file_path_bytes: 255,
  key_pairs: 100,
  server_groups: 10,
  server_group_members: 10,
} as const;
export type QuotaResource = keyof typeof DEFAULT_QUOTAS;
export type QuotaLimits = Record<QuotaResource, number>;

/** Resources that instances take; ram in MB. */
export interface InstanceUsage { instances: number; cores: number; ram: number }
const COUNTED = ['cores', 'instances', 'ram'] as const satisfies readonly (keyof InstanceUsage)[];

const fits = (limit: number, used: number, wanted: number): boolean => limit < 0 || used + wanted <= limit;

/** Which resources `wanted` more would exceed, in alphabetical order. */
export function exceeded(limits: InstanceUsage, used: InstanceUsage, wanted: InstanceUsage): (keyof InstanceUsage)[] {
  return COUNTED.filter((resource) => !fits(limits[resource], used[resource], wanted[resource]));
}

export const times = (usage: InstanceUsage, count: number): InstanceUsage =>
  ({ instances: usage.instances * count, cores: usage.cores * count, ram: usage.ram * count });

/**
 * How many instances of size `each` can be made: as many as fit, at most `maxCount`. Zero when not even `minCount`
 * fit; `over` then names what is exceeded by `minCount`.
 */
export function countWithinQuota(
  limits: InstanceUsage, used: InstanceUsage, each: InstanceUsage, minCount: number, maxCount: number,
): { count: number; over: (keyof InstanceUsage)[] } {
  for (let count = maxCount; count >= minCount; count--) {
    if (exceeded(limits, used, times(each, count)).length === 0) return { count, over: [] };
  }
  return { count: 0, over: exceeded(limits, used, times(each, minCount)) };
}

/** The sentence of a refusal, as nova words it. */
export function quotaMessage(over: (keyof InstanceUsage)[], limits: InstanceUsage, used: InstanceUsage, wanted: InstanceUsage): string {
  const list = (values: InstanceUsage) => over.map((resource) => values[resource]).join(', ');
  return `Quota exceeded for ${over.join(', ')}: Requested ${list(wanted)}, but already used ${list(used)} of ${list(limits)} ${over.join(', ')}`;
}
