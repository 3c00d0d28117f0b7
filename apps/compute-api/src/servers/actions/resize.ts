import { Type } from '@sinclair/typebox';
import type { ImageFacts } from '@virga/contracts';
import { actorOf, badRequest } from '@virga/core';
import { SERVER_ACTIONS, type MigrationStatus } from '@virga/domain';
import { planColdMove, planMoveEnd } from '../../cold-moves/begin';
import { findFlavor } from '../../flavors/flavor.repository';
import { findMigrationInStatus } from '../../migrations/migration.repository';
import type { OperationPlan } from '../../operations/begin-on-instance';
import type { InstanceRow } from '../../operations/workflow';
import { DiskConfig } from '../create-server.schema';
import { checkImageFits } from '../requested-image';
import { keptFlavor, type ServerFlavor } from '../server-row';
import type { ActionContext, ActionHandler } from './action';
import { startAction } from './start-action';

const strict = { additionalProperties: false };
const Resize = Type.Object({ flavorRef: Type.Union([Type.String({ minLength: 1 }), Type.Integer({ minimum: 0 })]), 'OS-DCF:diskConfig': Type.Optional(DiskConfig) }, strict);
const Host = Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9-._]*$' })]);
const MigrateTo = Type.Union([Type.Null(), Type.Object({ host: Type.Optional(Host) }, strict)]);
const Nothing = [['2.1', Type.Union([Type.Null(), Type.Object({}), Type.String()])]] as const;

async function planResize(context: ActionContext, row: InstanceRow, { flavorRef, 'OS-DCF:diskConfig': diskConfig }: { flavorRef: string | number; 'OS-DCF:diskConfig'?: string }): Promise<OperationPlan> {
  const flavor = await findFlavor(context.db, String(flavorRef), context.caller);
  if (!flavor || flavor.disabled) throw badRequest(`Flavor ${String(flavorRef)} could not be found.`);
  const current = JSON.parse(row.flavor_json) as ServerFlavor;
  if (flavor.flavorid === current.flavorid) throw badRequest('When resizing, instances must change flavor!');
  if (flavor.root_gb === 0 && current.disk !== 0) throw badRequest('Resize to zero disk flavor is not allowed.');
  checkImageFits(JSON.parse(row.image_json) as ImageFacts, flavor);
  const plan = planColdMove(row, actorOf(context.caller), { type: 'resize', newFlavor: keptFlavor(flavor) });
  return { ...plan, changes: { ...plan.changes, ...(diskConfig !== undefined && { disk_config: diskConfig }) } };
}

async function planMigrate(context: ActionContext, row: InstanceRow, host: string | undefined): Promise<OperationPlan> {
  if (host !== undefined) {
    const known = await context.db.selectFrom('hosts').select('hostname').where('hostname', '=', host).executeTakeFirst();
    if (!known) throw badRequest(`Compute host ${host} could not be found.`);
    if (host === row.host) throw badRequest('Cannot migrate to the host where the server exists.');
  }
  return planColdMove(row, actorOf(context.caller), { type: 'migration', newFlavor: JSON.parse(row.flavor_json) as ServerFlavor, ...(host !== undefined && { host }) });
}

async function planEnd({ db }: ActionContext, row: InstanceRow, kind: 'confirm-resize' | 'revert-resize', status: MigrationStatus): Promise<OperationPlan> {
  const migration = await findMigrationInStatus(db, row.id, ['resize', 'migration'], ['finished']);
  if (!migration) throw badRequest('Instance has not been resized.');
  return planMoveEnd(row, migration.id, kind, status);
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
