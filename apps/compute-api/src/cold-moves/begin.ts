import { conflict, type ActorRef } from '@virga/core';
import type { Kysely } from '@virga/db';
import { SERVER_ACTIONS, type MigrationStatus } from '@virga/domain';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';
import { createMigration } from '../migrations/migration.repository';
import { beginOnInstance, type OperationPlan } from '../operations/begin-on-instance';
import type { InstanceRow } from '../operations/workflow';
import { takeGrowth } from '../quotas/quota-usage';
import type { ServerFlavor } from '../servers/server-row';
import type { ResizeArgs } from '../workflows/resize-instance';

type Moved = Pick<InstanceRow, 'id' | 'vm_state' | 'flavor_json' | 'host_id' | 'host' | 'project_id' | 'user_id'>;
type Judged = Pick<InstanceRow, 'id' | 'generation' | 'vm_state' | 'locked'>;

export interface ColdMovePlan {
  type: 'resize' | 'migration';
  newFlavor: ServerFlavor;
  /** Name of the destination; chosen by the scheduler when absent. */
  host?: string;
}

/** What a cold move begins with, in one transaction: the migration's row and what more it takes of the quota. */
export function planColdMove(row: Moved, actor: ActorRef, { type, newFlavor, host }: ColdMovePlan): OperationPlan {
  const oldFlavor = JSON.parse(row.flavor_json) as ServerFlavor;
  const growth = { cores: Math.max(0, newFlavor.vcpus - oldFlavor.vcpus), ram: Math.max(0, newFlavor.ram - oldFlavor.ram) };
  const args: ResizeArgs = host === undefined ? {} : { host };
  return {
    kind: 'resize-instance',
    args: { ...args },
    changes: { held_cores: growth.cores, held_ram: growth.ram },
    async also(trx, operationId) {
      if (growth.cores + growth.ram > 0) await takeGrowth(trx, { projectId: row.project_id, userId: row.user_id, growth });
      await createMigration(trx, {
        type, status: 'pre-migrating', instanceId: row.id, actor, source: { hostId: row.host_id!, hostname: row.host! }, oldFlavor: oldFlavor.flavorid, newFlavor: newFlavor.flavorid,
        operationId, cold: { oldFlavor, newFlavor, vmState: row.vm_state },
      });
    },
  };
}

/** The end of a cold move that waits for its user's word; it belongs to the new operation from here on. */
export const planMoveEnd = ({ id }: Pick<InstanceRow, 'id'>, migrationId: number, kind: 'confirm-resize' | 'revert-resize', status: MigrationStatus): OperationPlan => ({
  kind, args: {},
  async also(trx, operationId) {
    const { numUpdatedRows } = await trx.updateTable('migrations').set({ status, operation_id: operationId, updated_at: dbNow }).where('id', '=', migrationId).where('status', '=', 'finished').executeTakeFirst();
    if (numUpdatedRows === 0n) throw conflict(`Instance ${id} is not ready`);
  },
});

const { migrate, confirmResize } = SERVER_ACTIONS;

/** Starts the move of a guest to another host, as the action `migrate` does; the operation's id, or undefined when the instance has changed meanwhile. The relay is to be woken. */
export const beginColdMigration = (db: Kysely<ComputeDb>, { row, actor, host }: { row: Moved & Judged; actor: ActorRef; host?: string }): Promise<string | undefined> =>
  beginOnInstance(db, { row, actor, taskState: migrate.taskState!, action: migrate.name },
    planColdMove(row, actor, { type: 'migration', newFlavor: JSON.parse(row.flavor_json) as ServerFlavor, ...(host !== undefined && { host }) }));

/** Starts the confirmation of a move that has come to its end; the operation's id, or undefined when the instance has changed meanwhile. The relay is to be woken. */
export const beginConfirmation = (db: Kysely<ComputeDb>, row: Judged, migrationId: number, actor: ActorRef): Promise<string | undefined> =>
  beginOnInstance(db, { row, actor, taskState: confirmResize.taskState!, action: confirmResize.name }, planMoveEnd(row, migrationId, 'confirm-resize', 'confirming'));
