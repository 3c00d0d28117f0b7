import type { ActorRef } from '@virga/core';
import type { Kysely } from '@virga/db';
import { SERVER_ACTIONS } from '@virga/domain';
import type { ComputeDb } from '../db/schema';
import { createMigration } from '../migrations/migration.repository';
import { beginOnInstance } from '../operations/begin-on-instance';
import type { InstanceRow } from '../operations/workflow';
import type { ServerFlavor } from '../servers/server-row';
import type { LiveMigrateArgs } from '../workflows/live-migrate';

export interface WantedMigration {
  /** As it was when it was judged; an instance that has changed since is not moved. */
  row: Pick<InstanceRow, 'id' | 'generation' | 'vm_state' | 'locked' | 'flavor_json'> & { host_id: string; host: string };
  actor: ActorRef;
  /** Name of the destination; chosen by the scheduler when absent. */
  host?: string;
  force?: boolean;
  /** Whether disks are to be copied; absent where that is for the hosts to find out. */
  blockMigration?: boolean | undefined;
}

/** Starts the operation with its migration; the operation's id, or undefined when the instance has changed meanwhile. The relay is to be woken. */
export async function beginLiveMigration(db: Kysely<ComputeDb>, { row, actor, host, force = false, blockMigration }: WantedMigration): Promise<string | undefined> {
  const source = { hostId: row.host_id, hostname: row.host };
  let migrationId: number;
  return beginOnInstance(db, { row, actor, taskState: SERVER_ACTIONS.liveMigrate.taskState!, action: 'live-migration' }, {
    kind: 'live-migrate',
    async args(trx) {
      const migration = await createMigration(trx, { type: 'live-migration', status: 'queued', instanceId: row.id, actor, source, oldFlavor: (JSON.parse(row.flavor_json) as ServerFlavor).flavorid });
      migrationId = migration.id;
      const args: LiveMigrateArgs = {
        migrationId, migrationUuid: migration.uuid, sourceHostId: source.hostId, sourceHostname: source.hostname, ...(host !== undefined && { host }), ...(force && { force: true }), ...(blockMigration !== undefined && { blockMigration }),
      };
      return { ...args };
    },
    async also(trx, operationId) {
      await trx.updateTable('migrations').set({ operation_id: operationId }).where('id', '=', migrationId).execute();
    },
  });
}
