import { conflict } from '@virga/core';
import { sql, type Transaction } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { ZONE_KEY } from './aggregate.repository';

export interface HostZone { hostId: string; availabilityZone: string }

/** Locks hosts in the order in which heartbeats do. */
export async function lockHosts(trx: Transaction<ComputeDb>, hostnames: string[]): Promise<{ id: string; hostname: string }[]> {
  if (hostnames.length === 0) return [];
  return trx.selectFrom('hosts').select(['id', 'hostname']).where('hostname', 'in', hostnames).orderBy('id').forUpdate().execute();
}

/**
 * Brings the zones of hosts in line with their aggregates, after these have changed in the same transaction and with
 * the hosts locked; servers there follow their host. 409 in nova's words when a host would be in two zones, or when a
 * server that asked for its zone would be carried into another. Returns the zones, for the scheduler.
 */
export async function settleZones(trx: Transaction<ComputeDb>, hostIds: string[], defaultZone: string, refusal: (reason: string) => string): Promise<HostZone[]> {
  if (hostIds.length === 0) return [];
  const rows = await trx.selectFrom('aggregate_hosts as a').innerJoin('aggregate_metadata as m', 'm.aggregate_id', 'a.aggregate_id').innerJoin('hosts as h', 'h.id', 'a.host_id')
    .where('m.name', '=', ZONE_KEY).where('a.host_id', 'in', hostIds).select(['a.host_id', 'h.hostname', 'm.value']).distinct().orderBy('m.value').execute();
  const zones = new Map<string, string>();
  for (const { host_id: hostId, hostname, value } of rows) {
    const other = zones.get(hostId);
    if (other !== undefined && other !== value) throw conflict(refusal(`Host ${hostname} already in availability zone(s) ${[other, value].join(', ')}`));
    zones.set(hostId, value);
  }
  const settled = hostIds.map((hostId) => ({ hostId, availabilityZone: zones.get(hostId) ?? defaultZone }));
  for (const { hostId, availabilityZone } of settled) {
    const bound = await trx.selectFrom('instances').select('id').where('host_id', '=', hostId).where('deleted_at', 'is', null)
      .where('requested_az', 'is not', null).where('requested_az', '!=', availabilityZone).executeTakeFirst();
    if (bound) throw conflict(refusal('One or more hosts contain instances in this zone'));
    await trx.updateTable('hosts').set({ availability_zone: availabilityZone }).where('id', '=', hostId).execute();
    await trx.updateTable('services').set({ zone: availabilityZone }).where('host_id', '=', hostId).execute();
    await trx.updateTable('instances').set({ availability_zone: availabilityZone }).where('host_id', '=', hostId).where('deleted_at', 'is', null)
      .where(sql<boolean>`NOT (availability_zone <=> ${availabilityZone})`).execute();
  }
  return settled;
}
