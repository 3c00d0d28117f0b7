import { Type } from '@sinclair/typebox';
import type { ImageFacts } from '@virga/contracts';
import { actorOf, badRequest, conflict } from '@virga/core';
import type { Transaction } from '@virga/db';
import { SERVER_ACTIONS, type MigrationStatus } from '@virga/domain';
import type { ComputeDb } from '../../db/schema';
import { dbNow } from '../../db/time';
import { findFlavor } from '../../flavors/flavor.repository';
import { createMigration, findMigrationInStatus } from '../../migrations/migration.repository';
import type { InstanceRow } from '../../operations/workflow';
import { takeGrowth } from '../../quotas/quota-usage';
import { DiskConfig } from '../create-server.schema';
import { checkImageFits } from '../requested-image';
import { keptFlavor, type ServerFlavor } from '../server-row';
import type { ActionContext, ActionHandler } from './action';
import { startAction, type ActionPlan } from './start-action';

const strict = { additionalProperties: false };
const Resize = Type.Object({ flavorRef: Type.Union([Type.String({ minLength: 1 }), Type.Integer({ minimum: 0 })]), 'OS-DCF:diskConfig': Type.Optional(DiskConfig) }, strict);
const Host = Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9-._]*$' })]);
const MigrateTo = Type.Union([Type.Null(), Type.Object({ host: Type.Optional(Host) }, strict)]);
const Nothing = [['2.1', Type.Union([Type.Null(), Type.Object({}), Type.String()])]] as const;

interface Move { type: 'resize' | 'migration'; newFlavor: ServerFlavor; host?: string }

/** What a cold move begins with, in one transaction: the migration's row and what more it takes of the quota. */
function planMove({ caller }: ActionContext, row: InstanceRow, { type, newFlavor, host }: Move): ActionPlan {
  const oldFlavor = JSON.parse(row.flavor_json) as ServerFlavor;
  const growth = { cores: Math.max(0, newFlavor.vcpus - oldFlavor.vcpus), ram: Math.max(0, newFlavor.ram - oldFlavor.ram) };
  return {
    kind: 'resize-instance',
    args: host === undefined ? {} : { host },
    changes: { held_cores: growth.cores, held_ram: growth.ram },
    async also(trx, operationId) {
      if (growth.cores + growth.ram > 0) await takeGrowth(trx, { projectId: row.project_id, userId: row.user_id, growth });
      await createMigration(trx, {
        type, status: 'pre-migrating', instanceId: row.id, actor: actorOf(caller), source: { hostId: row.host_id!, hostname: row.host! }, oldFlavor: oldFlavor.flavorid, newFlavor: newFlavor.flavorid,
        operationId, cold: { oldFlavor, newFlavor, vmState: row.vm_state },
      });
    },
  };
}

async function planResize(context: ActionContext, row: InstanceRow, { flavorRef, 'OS-DCF:diskConfig': diskConfig }: { flavorRef: string | number; 'OS-DCF:diskConfig'?: string }): Promise<ActionPlan> {
  const flavor = await findFlavor(context.db, String(flavorRef), context.caller);
  if (!flavor || flavor.disabled) throw badRequest(`Flavor ${String(flavorRef)} could not be found.`);
  const current = JSON.parse(row.flavor_json) as ServerFlavor;
  if (flavor.flavorid === current.flavorid) throw badRequest('When resizing, instances must change flavor!');
  if (flavor.root_gb === 0 && current.disk !== 0) throw badRequest('Resize to zero disk flavor is not allowed.');
  checkImageFits(JSON.parse(row.image_json) as ImageFacts, flavor);
  const plan = planMove(context, row, { type: 'resize', newFlavor: keptFlavor(flavor) });
  return { ...plan, changes: { ...plan.changes, ...(diskConfig !== undefined && { disk_config: diskConfig }) } };
}

async function planMigrate(context: ActionContext, row: InstanceRow, host: string | undefined): Promise<ActionPlan> {
  if (host !== undefined) {
    const known = await context.db.selectFrom('hosts').select('hostname').where('hostname', '=', host).executeTakeFirst();
    if (!known) throw badRequest(`Compute host ${host} could not be found.`);
    if (host === row.host) throw badRequest('Cannot migrate to the host where the server exists.');
  }
  return planMove(context, row, { type: 'migration', newFlavor: JSON.parse(row.flavor_json) as ServerFlavor, ...(host !== undefined && { host }) });
}

/** The move that waits for its user's word; it belongs to the new operation from here on. */
async function planEnd({ db }: ActionContext, row: InstanceRow, kind: 'confirm-resize' | 'revert-resize', status: MigrationStatus): Promise<ActionPlan> {
  const migration = await findMigrationInStatus(db, row.id, ['resize', 'migration'], ['finished']);
  if (!migration) throw badRequest('Instance has not been resized.');
  return {
    kind, args: {},
    async also(trx: Transaction<ComputeDb>, operationId) {
      const { numUpdatedRows } = await trx.updateTable('migrations').set({ status, operation_id: operationId, updated_at: dbNow }).where('id', '=', migration.id).where('status', '=', 'finished').executeTakeFirst();
      if (numUpdatedRows === 0n) throw conflict(`Instance ${row.id} is not ready`);
    },
  };
}

/** Another size, another host, and the user's word on how it has turned out. */
export const resizeActions: Record<string, ActionHandler> = {
  resize: {
    rule: SERVER_ACTIONS.resize.rule, schema: [['2.1', Resize]],
    async run(context, body: { flavorRef: string | number }) {
      await startAction(context, 'resize', (row) => planResize(context, row, body));
    },
  },
  migrate: {
    rule: SERVER_ACTIONS.migrate.rule, schema: [['2.1', Type.Unknown()], ['2.56', MigrateTo]],
    async run(context, body: { host?: string | null } | null) {
      const host = context.at >= 56 ? body?.host ?? undefined : undefined;
      if (host !== undefined) context.policy.enforce(context.caller, 'os_compute_api:os-migrate-server:migrate:host');
      await startAction(context, 'migrate', (row) => planMigrate(context, row, host));
    },
  },
  confirmResize: {
    rule: SERVER_ACTIONS.confirmResize.rule, schema: Nothing, status: 204,
    async run(context) {
      await startAction(context, 'confirmResize', (row) => planEnd(context, row, 'confirm-resize', 'confirming'));
    },
  },
  revertResize: {
    rule: SERVER_ACTIONS.revertResize.rule, schema: Nothing,
    async run(context) {
      await startAction(context, 'revertResize', (row) => planEnd(context, row, 'revert-resize', 'reverting'));
    },
  },
};
