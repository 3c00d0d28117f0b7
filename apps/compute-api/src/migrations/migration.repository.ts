import { newUuid, type ActorRef } from '@virga/core';
import type { Executor, Selectable } from '@virga/db';
import { ENDED_MIGRATION_STATUSES, LIVE_MIGRATION_IN_PROGRESS, type MigrationStatus, type MigrationType } from '@virga/domain';
import type { UpdateObject } from 'kysely';
import type { ComputeDb, MigrationsTable } from '../db/schema';
import { dbNow } from '../db/time';
import type { ServerFlavor } from '../servers/server-row';

export type Migration = Selectable<MigrationsTable>;
type Db = Executor<ComputeDb>;

/** A host at an end of a migration. */
export interface MigrationEnd { hostId: string; hostname: string; /** Its address, for the record. */ address?: string }

export interface NewMigration {
  type: MigrationType;
  status: MigrationStatus;
  instanceId: string;
  actor: ActorRef;
  source: MigrationEnd;
  /** When it is known already. */
  dest?: MigrationEnd;
  /** The API's names of the flavors; equal unless the instance is resized. */
  oldFlavor: string;
  newFlavor?: string;
  operationId?: string;
  /** Of a cold move: what must be known for the way back. */
  cold?: { oldFlavor: ServerFlavor; newFlavor: ServerFlavor; vmState: string };
}

/** Writes a migration down; in the transaction that starts its operation. */
export async function createMigration(db: Db, { type, status, instanceId, actor, source, dest, oldFlavor, newFlavor = oldFlavor, operationId, cold }: NewMigration): Promise<{ id: number; uuid: string }> {
  const uuid = newUuid();
  const flavors = new Map((await db.selectFrom('flavors').select(['id', 'flavorid']).where('flavorid', 'in', [oldFlavor, newFlavor]).execute()).map((row) => [row.flavorid, row.id]));
  const { insertId } = await db.insertInto('migrations').values({
    uuid, instance_id: instanceId, operation_id: operationId ?? null, migration_type: type, status, user_id: actor.userId, project_id: actor.projectId,
    source_host_id: source.hostId, source_compute: source.hostname, dest_host_id: dest?.hostId ?? null, dest_compute: dest?.hostname ?? null, dest_host: dest?.address ?? null,
    old_flavor_id: flavors.get(oldFlavor) ?? null, new_flavor_id: flavors.get(newFlavor) ?? null, created_at: dbNow, updated_at: null,
    ...(cold && { old_flavor_json: JSON.stringify(cold.oldFlavor), new_flavor_json: JSON.stringify(cold.newFlavor), old_vm_state: cold.vmState }),
  }).executeTakeFirstOrThrow();
  return { id: Number(insertId), uuid };
}

export type MigrationChanges = Omit<UpdateObject<ComputeDb, 'migrations'>, 'status'> & { status?: MigrationStatus };

/** Changes a migration that has not ended; false when it has (what has ended stays as it is). */
export async function updateMigration(db: Db, id: number, changes: MigrationChanges): Promise<boolean> {
  const { numUpdatedRows } = await db.updateTable('migrations').set({ ...changes, updated_at: dbNow }).where('id', '=', id)
    .where('status', 'not in', [...ENDED_MIGRATION_STATUSES]).executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** The instance's migration by its number; undefined for one of another instance. */
export const findMigration = (db: Db, instanceId: string, id: number): Promise<Migration | undefined> =>
  db.selectFrom('migrations').selectAll().where('instance_id', '=', instanceId).where('id', '=', id).executeTakeFirst();

export const findMigrationOfOperation = (db: Db, operationId: string): Promise<Migration | undefined> =>
  db.selectFrom('migrations').selectAll().where('operation_id', '=', operationId).executeTakeFirst();

/** The instance's newest migration of a type in one of the given states, e.g. the resize that waits to be confirmed. */
export const findMigrationInStatus = (db: Db, instanceId: string, types: readonly MigrationType[], statuses: readonly MigrationStatus[]): Promise<Migration | undefined> =>
  db.selectFrom('migrations').selectAll().where('instance_id', '=', instanceId).where('migration_type', 'in', [...types]).where('status', 'in', [...statuses])
    .orderBy('id', 'desc').limit(1).executeTakeFirst();

/** Live migrations of the instance that have not ended. */
export const liveMigrationsInProgress = (db: Db, instanceId: string): Promise<Migration[]> =>
  db.selectFrom('migrations').selectAll().where('instance_id', '=', instanceId).where('migration_type', '=', 'live-migration')
    .where('status', 'in', [...LIVE_MIGRATION_IN_PROGRESS]).orderBy('id').execute();
