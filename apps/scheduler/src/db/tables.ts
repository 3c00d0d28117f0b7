import type { ColumnType } from '@virga/db';

/** Written by the database's clock only. */
type DatabaseTime = ColumnType<Date, never, never>;

export interface HostsTable {
  id: string;
  hostname: string;
  availability_zone: string;
  enabled: number;
  /** JSON array of names. */
  traits: string;
  inventory_vcpus: number;
  inventory_memory_mb: number;
  inventory_disk_gb: number;
  /** What may be given away: inventory less the host's own share, times the allocation ratio. */
  capacity_vcpus: number;
  capacity_memory_mb: number;
  capacity_disk_gb: number;
  /** Always the sum of the host's allocations: both change in one transaction. */
  used_vcpus: number;
  used_memory_mb: number;
  used_disk_gb: number;
  lease_until: DatabaseTime;
}

export interface AllocationsTable {
  consumer_id: string;
  host_id: string;
  project_id: string;
  /** Server group of the consumer. */
  group_id: string | null;
  vcpus: number;
  memory_mb: number;
  disk_gb: number;
  created_at: DatabaseTime;
}

/** Locked by whoever claims for a member. */
export interface ClaimGroupsTable { id: string }

export interface PlacementDb {
  claim_groups: ClaimGroupsTable;
  hosts: HostsTable;
  allocations: AllocationsTable;
}
