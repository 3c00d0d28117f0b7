/** What an instance takes of a host, or a host has. Virtual CPUs, MB, GB. */
export interface Resources {
  vcpus: number;
  memoryMb: number;
  diskGb: number;
}

export const RESOURCE_NAMES = ['vcpus', 'memoryMb', 'diskGb'] as const satisfies (keyof Resources)[];
export type ResourceName = (typeof RESOURCE_NAMES)[number];

const each = (of: (name: ResourceName) => number): Resources => ({ vcpus: of('vcpus'), memoryMb: of('memoryMb'), diskGb: of('diskGb') });

export const NOTHING: Resources = each(() => 0);

/**
 * How much of a host may be given away: what it has less what it keeps for itself, times the allocation ratio, rounded
 * down; never below zero. A ratio of 4 promises each processor to four instances.
 */
export const capacityOf = (inventory: Resources, reserved: Resources, ratios: Resources): Resources =>
  each((name) => Math.max(0, Math.floor((inventory[name] - reserved[name]) * ratios[name])));

export const plus = (a: Resources, b: Resources): Resources => each((name) => a[name] + b[name]);
export const minus = (a: Resources, b: Resources): Resources => each((name) => a[name] - b[name]);

/** What is left; negative when the capacity shrank below what is used. */
export const freeOf = (host: { capacity: Resources; used: Resources }): Resources => minus(host.capacity, host.used);
