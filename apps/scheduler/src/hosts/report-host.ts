import { conflict, notFound } from '@virga/core';
import { isForeignKeyViolation, sql, type Kysely } from '@virga/db';
import { capacityOf, type Candidate, type Resources } from '@virga/domain';
import type { PlacementDb } from '../db/tables';

export interface CapacityRules {
  ratios: Resources;
  reserved: Resources;
  defaultZone: string;
}

export interface HostReport {
  hostId: string;
  hostname: string;
  availabilityZone?: string;
  enabled: boolean;
  inventory: Resources;
  traits: string[];
  leaseMs: number;
}

/** Takes a host's picture of itself; what it gave away stays as it is. The lease runs on the database's clock. Returns the host as noted. */
export async function reportHost(db: Kysely<PlacementDb>, report: HostReport, rules: CapacityRules): Promise<Omit<Candidate, 'used' | 'alive'>> {
  const availabilityZone = report.availabilityZone ?? rules.defaultZone;
  const { inventory } = report;
  const capacity = capacityOf(inventory, rules.reserved, rules.ratios);
  const leaseUntil = sql<Date>`NOW(3) + INTERVAL ${Math.max(0, report.leaseMs) * 1000} MICROSECOND`;
  await sql`INSERT INTO hosts SET id = ${report.hostId}, hostname = ${report.hostname}, availability_zone = ${availabilityZone},
      enabled = ${report.enabled ? 1 : 0}, traits = ${JSON.stringify(report.traits)},
      inventory_vcpus = ${inventory.vcpus}, inventory_memory_mb = ${inventory.memoryMb}, inventory_disk_gb = ${inventory.diskGb},
      capacity_vcpus = ${capacity.vcpus}, capacity_memory_mb = ${capacity.memoryMb}, capacity_disk_gb = ${capacity.diskGb}, lease_until = ${leaseUntil}
    ON DUPLICATE KEY UPDATE hostname = VALUES(hostname), availability_zone = VALUES(availability_zone), enabled = VALUES(enabled), traits = VALUES(traits),
      inventory_vcpus = VALUES(inventory_vcpus), inventory_memory_mb = VALUES(inventory_memory_mb), inventory_disk_gb = VALUES(inventory_disk_gb),
      capacity_vcpus = VALUES(capacity_vcpus), capacity_memory_mb = VALUES(capacity_memory_mb), capacity_disk_gb = VALUES(capacity_disk_gb),
      lease_until = VALUES(lease_until)`.execute(db);
  const { hostId, hostname, enabled, traits } = report;
  return { hostId, hostname, availabilityZone, enabled, traits, inventory, capacity };
}

/** Throws `notFound` for a host that has never reported. */
export async function setHostEnabled(db: Kysely<PlacementDb>, hostId: string, enabled: boolean): Promise<void> {
  const { numUpdatedRows } = await db.updateTable('hosts').set({ enabled: enabled ? 1 : 0 }).where('id', '=', hostId).executeTakeFirst();
  if (numUpdatedRows === 0n) throw notFound(`Host ${hostId} could not be found.`, { type: 'HostNotFound' });
}

/** A repeat is harmless; a host on which something is allocated is refused (`HostInUse`). */
export async function removeHost(db: Kysely<PlacementDb>, hostId: string): Promise<void> {
  try {
    await db.deleteFrom('hosts').where('id', '=', hostId).execute();
  } catch (error) {
    if (!isForeignKeyViolation(error)) throw error;
    throw conflict(`Host ${hostId} still has allocations.`, { type: 'HostInUse', cause: error });
  }
}
