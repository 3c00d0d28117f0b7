import { createHash } from 'node:crypto';

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

/** Name of the domain on the hypervisor. */
export const instanceName = (num: number): string => `instance-${num.toString(16).padStart(8, '0')}`;

/** What users see of a host: the same for all servers of one project there, and no other project's. */
export const obfuscatedHostId = (host: string | null, projectId: string): string =>
  host === null ? '' : createHash('sha224').update(projectId + host).digest('hex');
