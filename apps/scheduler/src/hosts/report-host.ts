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

/** Takes hosts' pictures of themselves; what they gave away stays as it is. Leases run on the database's clock. Returns the hosts as noted. */
export async function reportHosts(db: Kysely<PlacementDb>, reports: readonly HostReport[], rules: CapacityRules): Promise<Omit<Candidate, 'used' | 'alive'>[]> {
  const noted = reports.map(({ hostId, hostname, enabled, traits, inventory, availabilityZone = rules.defaultZone }) =>
    ({ hostId, hostname, availabilityZone, enabled, traits, inventory, capacity: capacityOf(inventory, rules.reserved, rules.ratios) }));
  const rows = noted.map(({ hostId, hostname, availabilityZone, enabled, traits, inventory, capacity }, index) => sql`(${hostId}, ${hostname}, ${availabilityZone},
      ${enabled ? 1 : 0}, ${JSON.stringify(traits)}, ${inventory.vcpus}, ${inventory.memoryMb}, ${inventory.diskGb}, ${capacity.vcpus}, ${capacity.memoryMb}, ${capacity.diskGb},
      NOW(3) + INTERVAL ${Math.max(0, reports[index]!.leaseMs) * 1000} MICROSECOND)`);
  await sql`INSERT INTO hosts (id, hostname, availability_zone, enabled, traits, inventory_vcpus, inventory_memory_mb, inventory_disk_gb,
      capacity_vcpus, capacity_memory_mb, capacity_disk_gb, lease_until)
    VALUES ${sql.join(rows)}
    ON DUPLICATE KEY UPDATE hostname = VALUES(hostname), availability_zone = VALUES(availability_zone), enabled = VALUES(enabled), traits = VALUES(traits),
      inventory_vcpus = VALUES(inventory_vcpus), inventory_memory_mb = VALUES(inventory_memory_mb), inventory_disk_gb = VALUES(inventory_disk_gb),
      capacity_vcpus = VALUES(capacity_vcpus), capacity_memory_mb = VALUES(capacity_memory_mb), capacity_disk_gb = VALUES(capacity_disk_gb),
      lease_until = VALUES(lease_until)`.execute(db);
  return noted;
}

/** Throws `notFound` for a host that has never reported. */
export async function setHostEnabled(db: Kysely<PlacementDb>, hostId: string, enabled: boolean): Promise<void> {
  const { numUpdatedRows } = await db.updateTable('hosts').set({ enabled: enabled ? 1 : 0 }).where('id', '=', hostId).executeTakeFirst();
  if (numUpdatedRows === 0n) throw notFound(`Host ${hostId} could not be found.`, { type: 'HostNotFound' });
}

/** Hosts that have never reported are passed over: their first report tells. */
export async function setHostZones(db: Kysely<PlacementDb>, hosts: readonly { hostId: string; availabilityZone: string }[]): Promise<void> {
  for (const { hostId, availabilityZone } of hosts) await db.updateTable('hosts').set({ availability_zone: availabilityZone }).where('id', '=', hostId).execute();
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
