import { badRequest, conflict, notFound, type RequestContext } from '@virga/core';
import { inTransaction } from '@virga/db';
import type { MigrationStatus } from '@virga/domain';
import { dbNow } from '../db/time';
import { cancelOperation } from '../operations/cancel-operation';
import { getInstance } from '../servers/server.repository';
import type { Db } from '../tokens';
import { findMigration, type Migration } from './migration.repository';

interface Steering {
  /** In messages. */
  method: string;
  statuses: readonly MigrationStatus[];
  /** What is answered for a migration that the server does not have. */
  missing(message: string): Error;
}

/** The migration, if it may be steered so now; nova's refusals otherwise. */
async function steerable(db: Db, caller: RequestContext, serverId: string, migrationId: string, action: string, { method, statuses, missing }: Steering): Promise<Migration> {
  const instance = await getInstance(db, caller, serverId);
  if (instance.task_state !== 'migrating') throw conflict(`Cannot '${action}' instance ${serverId} while it is in task_state ${instance.task_state ?? 'None'}`);
  const migration = /^\d{1,9}$/.test(migrationId) ? await findMigration(db, serverId, Number(migrationId)) : undefined;
  if (!migration) throw missing(`Migration ${migrationId} not found for instance ${serverId}`);
  if (!(statuses as readonly string[]).includes(migration.status)) throw wrongState(migration, method);
  return migration;
}

const wrongState = ({ id, instance_id: instanceId, status }: Migration, method: string) =>
  badRequest(`Migration ${id} state of instance ${instanceId} is ${status}. Cannot ${method} while the migration is in this state.`);

/** Has a running migration come to its end, whatever it costs the guest: its source hears of it with its next report. */
export async function forceComplete(db: Db, caller: RequestContext, serverId: string, migrationId: string): Promise<void> {
  const { id } = await steerable(db, caller, serverId, migrationId, 'force_complete', { method: 'force complete', statuses: ['running'], missing: badRequest });
  await db.updateTable('migrations').set({ wish: 'force_complete', updated_at: dbNow }).where('id', '=', id).execute();
}

/** Takes a migration back; refused after the switch to post-copy. From 2.65 on also before it has begun. */
export async function abortMigration(db: Db, caller: RequestContext, serverId: string, migrationId: string, at: number): Promise<void> {
  const method = 'abort live migration';
  const migration = await steerable(db, caller, serverId, migrationId, method, { method, statuses: at >= 65 ? ['queued', 'preparing', 'running'] : ['running'], missing: notFound });
  const answer = migration.operation_id === null ? 'ended' : await inTransaction(db, (trx) => cancelOperation(trx, migration.operation_id!));
  if (answer !== 'requested') throw wrongState((await findMigration(db, serverId, migration.id)) ?? migration, method);
}
