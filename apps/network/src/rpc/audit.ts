import type { networkAuditContract, NetworkAudit } from '@virga/contracts';
import { unavailable } from '@virga/core';
import { sql, type Kysely } from '@virga/db';
import type { Handlers } from '@virga/rpc';
import type { NetworkSchema } from '../db/tables';
import type { OvnWriter } from '../ovn/ovn-writer';

/** What the rest of the cloud compares itself with: ports of instances, and whether OVN is as the tables say. */
export function auditHandlers(db: Kysely<NetworkSchema>, writer: OvnWriter): Handlers<typeof networkAuditContract> {
  return {
    async computePorts() {
      const ports = await db.selectFrom('ports').select(['id', 'device_id', 'binding_host_id', 'binding_next_host_id', 'status', 'instance_owned'])
        .where('device_owner', 'like', 'compute:%').where('instance_position', 'is not', null).execute();
      return {
        ports: ports.map((port) => ({
          portId: port.id, instanceId: port.device_id, hostname: port.binding_host_id, nextHostname: port.binding_next_host_id, status: port.status, ownedByInstance: Boolean(port.instance_owned),
        })),
      };
    },

    async audit(): Promise<NetworkAudit> {
      const rows = await writer.compare();
      if (!rows) throw unavailable('The northbound database is out of reach.');
      const dangling = await db.selectFrom('floatingips as f').leftJoin('ports as p', 'p.id', 'f.port_id').select('f.id')
        .where('f.port_id', 'is not', null).where('p.id', 'is', null).execute();
      const queue = await db.selectFrom('ovn_sync')
        .select(({ fn }) => [fn.countAll().as('queued'), sql<string | null>`TIMESTAMPDIFF(MICROSECOND, MIN(created_at), NOW(3)) / 1000000`.as('oldest')]).executeTakeFirstOrThrow();
      return { ...rows, danglingFloatingIps: dangling.map(({ id }) => id), queued: Number(queue.queued), oldestQueuedSeconds: Math.max(0, Number(queue.oldest ?? 0)) };
    },

    async reconcile() {
      writer.reconcileSoon();
      return {};
    },
  };
}
