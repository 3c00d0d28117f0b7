import type { Migrations } from '@virga/db';
import { hostsAndAllocations } from './20261120_0001_hosts_and_allocations';

/** Append-only. */
export const migrations: Migrations = {
  '20261120_0001_hosts_and_allocations': hostsAndAllocations,
};
