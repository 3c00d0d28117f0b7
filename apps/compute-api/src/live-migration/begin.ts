import type { ActorRef } from '@virga/core';
import { inTransaction, type Kysely } from '@virga/db';
import { SERVER_ACTIONS } from '@virga/domain';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';
import { createMigration } from '../migrations/migration.repository';
import { startOperation } from '../operations/start-operation';
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
  return inTransaction(db, async (trx) => {
    const generation = row.generation + 1;
    const { numUpdatedRows } = await trx.updateTable('instances').set({ task_state: SERVER_ACTIONS.liveMigrate.taskState, generation, updated_at: dbNow, state_changed_at: dbNow })
      .where('id', '=', row.id).where('generation', '=', row.generation).where('vm_state', '=', row.vm_state).where('task_state', 'is', null)
      .where('locked', '=', row.locked).where('deleted_at', 'is', null).executeTakeFirst();
    if (numUpdatedRows === 0n) return undefined;
    const migration = await createMigration(trx, {
      type: 'live-migration', status: 'queued', instanceId: row.id, actor, source, oldFlavor: (JSON.parse(row.flavor_json) as ServerFlavor).flavorid,
    });
    const args: LiveMigrateArgs = {
      migrationId: migration.id, migrationUuid: migration.uuid, sourceHostId: source.hostId, sourceHostname: source.hostname, ...(host !== undefined && { host }), ...(force && { force: true }), ...(blockMigration !== undefined && { blockMigration }),
    };
    const operationId = await startOperation(trx, { kind: 'live-migrate', instanceId: row.id, generation, actor, args: { ...args }, action: 'live-migration' });
    await trx.updateTable('migrations').set({ operation_id: operationId }).where('id', '=', migration.id).execute();
    return operationId;
  });
}
