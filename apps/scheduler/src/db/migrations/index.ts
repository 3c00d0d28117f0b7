import type { Migrations } from '@virga/db';
import { hostsAndAllocations } from './20261120_0001_hosts_and_allocations';
import { groups } from './20261126_5001_groups';

/** Append-only. */
export const migrations: Migrations = {
  '20261120_0001_hosts_and_allocations': hostsAndAllocations,
  '20261126_5001_groups': groups,
};
