import type { RawBuilder } from 'kysely';
import { sql } from '@virga/db';
import type { HostFacts } from '@virga/contracts';
import type { Db } from '../tokens';

/** A hypervisor host with what its instances take. Memory in MB, disk in GB. */
export interface Host {
  id: string;
  num: number;
  hostname: string;
  zone: string;
  facts: HostFacts;
  reported: { memoryMbUsed: number; diskGbUsed: number; runningInstances: number; load: string };
  service: { id: number; uuid: string; host: string; disabledReason: string | null };
  alive: boolean;
  enabled: boolean;
  used: { vcpus: number; memoryMb: number; diskGb: number };
  workload: number;
}

interface Row {
  id: string; num: number; hostname: string; availability_zone: string; facts_json: string; usage_json: string; service_id: number; uuid: string; disabled: number;
  disabled_reason: string | null; forced_down: number; alive: number; vcpus: number | string | null; memory_mb: number | string | null; disk_gb: number | string | null; workload: number | string | null;
}

/** All hosts, or those that the condition (on `h` and `s`) lets pass, in one statement. */
export async function listHosts(db: Db, condition: RawBuilder<unknown> = sql`TRUE`): Promise<Host[]> {
  const { rows } = await sql<Row>`
    SELECT h.*, s.id AS service_id, s.uuid, s.disabled, s.disabled_reason, s.forced_down, h.lease_until > NOW(3) AS alive, u.vcpus, u.memory_mb, u.disk_gb, u.workload
    FROM hosts h JOIN services s ON s.host_id = h.id
    LEFT JOIN (
      SELECT host_id, SUM(JSON_VALUE(flavor_json, '$.vcpus')) AS vcpus, SUM(JSON_VALUE(flavor_json, '$.ram')) AS memory_mb,
        SUM(JSON_VALUE(flavor_json, '$.disk') + JSON_VALUE(flavor_json, '$.ephemeral')) AS disk_gb, SUM(task_state IS NOT NULL) AS workload
      FROM instances WHERE deleted_at IS NULL AND host_id IS NOT NULL GROUP BY host_id
    ) u ON u.host_id = h.id
    WHERE ${condition} ORDER BY h.num`.execute(db);
  return rows.map((row) => ({
    id: row.id, num: row.num, hostname: row.hostname, zone: row.availability_zone,
    facts: JSON.parse(row.facts_json) as HostFacts,
    reported: JSON.parse(row.usage_json) as Host['reported'],
    service: { id: row.service_id, uuid: row.uuid, host: row.hostname, disabledReason: row.disabled_reason },
    alive: Boolean(row.alive) && !row.forced_down,
    enabled: !row.disabled,
    used: { vcpus: Number(row.vcpus ?? 0), memoryMb: Number(row.memory_mb ?? 0), diskGb: Number(row.disk_gb ?? 0) },
    workload: Number(row.workload ?? 0),
  }));
}
