import { createHash } from 'node:crypto';
import type { Flavor } from '../flavors/flavor.repository';

/** A flavor as it was when the server was made; later changes of the flavor do not reach it. */
export interface ServerFlavor {
  flavorid: string;
  original_name: string;
  vcpus: number;
  /** MB. */
  ram: number;
  /** GB. */
  disk: number;
  /** GB. */
  ephemeral: number;
  /** MB. */
  swap: number;
  extra_specs: Record<string, string>;
}

/** What is kept of a flavor. */
export const keptFlavor = (flavor: Flavor): ServerFlavor => ({
  flavorid: flavor.flavorid, original_name: flavor.name, vcpus: flavor.vcpus, ram: flavor.memory_mb, disk: flavor.root_gb, ephemeral: flavor.ephemeral_gb, swap: flavor.swap_mb, extra_specs: flavor.extra_specs,
});

/** Name of the domain on the hypervisor. */
export const instanceName = (num: number): string => `instance-${num.toString(16).padStart(8, '0')}`;

/** What users see of a host: the same for all servers of one project there, and no other project's. */
export function obfuscatedHostId(host: string | null, projectId: string): string {
  if (host === null) return '';
  const both = projectId + host;
  let id = hostIds.get(both);
  if (id === undefined) {
    if (hostIds.size >= HOST_IDS_KEPT) hostIds.clear();
    hostIds.set(both, (id = createHash('sha224').update(both).digest('hex')));
  }
  return id;
}
/** A page of servers names few hosts of few projects: each hash is made once. */
const HOST_IDS_KEPT = 5000;
const hostIds = new Map<string, string>();
