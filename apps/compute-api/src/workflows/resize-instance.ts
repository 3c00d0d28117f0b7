import type { HostFacts } from '@virga/contracts';
import { conflict } from '@virga/core';
import type { Transaction } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';
import { updateMigration } from '../migrations/migration.repository';
import type { Operation } from '../operations/operation';
import type { Step, StepContext, Workflow } from '../operations/workflow';
import { releaseHeld } from '../quotas/quota-usage';
import { claimHost } from './claim-host';
import { bindTo, endMove, moveInTransaction, moveOf, specOf, zoneOf, type ColdMove } from './cold-move';
import { shutdownSeconds } from './power-action';
import { settle, toldPowerState } from './settle';
import { recordAttempts, refuseOtherThan, tryElsewhere } from './try-elsewhere';
import { isExpired } from './silent-host';

export interface ResizeArgs {
  /** Name of the destination; absent when the scheduler chooses. */
  host?: string;
}
export interface ResizeSettings {
  /** Whether a change of size may leave the instance where it is. */
  sameHost: boolean;
}
export const DEFAULT_RESIZE_SETTINGS: ResizeSettings = { sameHost: true };

const isSameHost = ({ sourceHostId, destHostId }: ColdMove): boolean => sourceHostId === destHostId;

/** Content that lies beyond the new end would be lost. */
function refuseShrinking({ oldFlavor, newFlavor }: ColdMove): void {
  const shrinks = (what: 'disk' | 'ephemeral') => newFlavor[what] < oldFlavor[what] && !(what === 'disk' && newFlavor.disk === 0 && oldFlavor.disk === 0);
  if (shrinks('disk') || shrinks('ephemeral')) throw conflict('Resize error: Unable to resize disk down.', { type: 'ResizeError' });
}

async function chooseHost(context: StepContext, { sameHost }: ResizeSettings): Promise<Record<string, unknown>> {
  const { db, operation, data } = context;
  const move = await moveOf(context);
  const row = await context.instance();
  const { host } = operation.args as ResizeArgs;
  refuseOtherThan(host, data, 'ResizeError');
  const { hostId, hostname } = await claimHost(context, row, {
    consumerId: row.id, flavor: move.newFlavor, notCounted: [move.uuid], notOn: sameHost && move.type === 'resize' ? [] : [move.sourceHostId],
    ...(host !== undefined ? { host } : { availabilityZone: row.requested_az }),
  });
  // Before anything else may fail, so that the next attempt knows which host it was.
  await context.remember({ destHostId: hostId, destHostname: hostname });
  const facts = await factsOf(context, hostId);
  await updateMigration(db, move.id, { dest_host_id: hostId, dest_compute: hostname, dest_host: facts?.hostIp ?? null });
  return { hostname };
}

async function factsOf({ db }: StepContext, hostId: string): Promise<HostFacts | undefined> {
  const row = await db.selectFrom('hosts').select('facts_json').where('id', '=', hostId).executeTakeFirst();
  return row && (JSON.parse(row.facts_json) as HostFacts);
}

/** Takes the guest off the destination. One that does not answer may still start it: then nobody else does. */
async function leaveDestination(context: StepContext): Promise<void> {
  const { destHostId } = await moveOf(context);
  if (context.data.doubtful === true) return;
  try {
    await context.command(destHostId, 'destroy', { keepAside: true });
  } catch (error) {
    if (!isExpired(error)) throw error;
    await context.remember({ doubtful: true });
  }
}

const steps = (settings: ResizeSettings): Step[] => [
  {
    // The source's room is the migration's from now on, the destination's the instance's.
    name: 'hold_source',
    timeoutMs: 120_000,
    async do(context) {
      const move = await moveOf(context);
      refuseShrinking(move);
      await context.neighbours.placement.transfer({ from: context.operation.instanceId, to: move.uuid, onHost: move.sourceHostId });
      return { hostname: move.sourceHostname };
    },
    async undo(context) {
      await context.neighbours.placement.transfer({ from: (await moveOf(context)).uuid, to: context.operation.instanceId });
    },
  },
  {
    name: 'choose_host',
    timeoutMs: 120_000,
    do: (context) => chooseHost(context, settings),
    async undo(context) {
      await context.neighbours.placement.release({ consumerId: context.operation.instanceId });
      await context.remember({ destHostId: null, destHostname: null });
    },
  },
  {
    name: 'prepare_host',
    timeoutMs: 600_000,
    async do(context) {
      const move = await moveOf(context);
      await updateMigration(context.db, move.id, { status: 'pre-migrating' });
      if (!isSameHost(move)) await context.command(move.destHostId, 'prepareMove', await specOf(context, move.newFlavor));
    },
  },
  {
    name: 'stop_guest',
    timeoutMs: 300_000,
    async do(context) {
      const move = await moveOf(context);
      const row = await context.instance();
      await context.updateInstance({ task_state: 'resize_migrating', state_changed_at: dbNow });
      await updateMigration(context.db, move.id, { status: 'migrating' });
      if (move.running) await context.command(move.sourceHostId, 'stop', { timeoutSeconds: shutdownSeconds(row) });
      return { hostname: move.sourceHostname };
    },
    async undo(context) {
      const move = await moveOf(context);
      if (move.running && context.data.doubtful !== true) await context.command(move.sourceHostId, 'start', {});
      await context.updateInstance({ task_state: 'resize_prep', state_changed_at: dbNow });
    },
  },
  {
    name: 'put_aside',
    timeoutMs: 300_000,
    async do(context) {
      const move = await moveOf(context);
      await context.command(move.sourceHostId, 'putAside', { migrationId: move.uuid, ...(!isSameHost(move) && { toHostId: move.destHostId }) });
    },
    async undo(context) {
      const move = await moveOf(context);
      await context.command(move.sourceHostId, 'bringBack', { spec: await specOf(context, move.oldFlavor), start: false });
    },
  },
  {
    name: 'bind_ports',
    timeoutMs: 120_000,
    async do(context) {
      const move = await moveOf(context);
      await context.updateInstance({ task_state: 'resize_migrated', state_changed_at: dbNow });
      await updateMigration(context.db, move.id, { status: 'post-migrating' });
      if (!isSameHost(move)) await bindTo(context, move.destHostId, move.destHostname);
      return { hostname: move.destHostname };
    },
    async undo(context) {
      const move = await moveOf(context);
      if (!isSameHost(move)) await bindTo(context, move.sourceHostId, move.sourceHostname);
    },
  },
  {
    name: 'copy_disks',
    timeoutMs: 14_400_000,
    async do(context) {
      const move = await moveOf(context);
      const spec = await specOf(context, move.newFlavor);
      const agentUrl = (await factsOf(context, move.sourceHostId))?.agentUrl;
      await context.command(move.destHostId, 'receiveDisks', { spec, ...(!isSameHost(move) && { from: { hostId: move.sourceHostId, ...(agentUrl !== undefined && { agentUrl }) } }) });
    },
    undo: leaveDestination,
  },
  {
    name: 'start_on_host',
    timeoutMs: 600_000,
    async do(context) {
      const move = await moveOf(context);
      await context.updateInstance({ task_state: 'resize_finish', state_changed_at: dbNow });
      return { result: await context.command(move.destHostId, 'startMoved', { spec: await specOf(context, move.newFlavor), start: move.running }) };
    },
    undo: leaveDestination,
  },
];

/**
 * Gives an instance another size, or another host, with its guest off meanwhile. The disks that it had stay aside until the user has
 * looked at the outcome and confirms it, or goes back to them. Until the end everything can be taken back.
 */
export const resizeInstance = (settings: ResizeSettings): Workflow => ({
  kind: 'resize-instance',
  steps: steps(settings),
  retry: tryElsewhere('choose_host', 'destHostId', 'destHostname'),
  async succeeded(trx, operation) {
    const move = await moveInTransaction(trx, operation);
    if (!move) return;
    const { oldFlavor, newFlavor } = move;
    // The way back must fit into the quota, too: the larger of both stays taken.
    const { numUpdatedRows } = await trx.updateTable('instances').set({
      vm_state: 'resized', task_state: null, host_id: move.destHostId, host: move.destHostname, availability_zone: zoneOf(move.destHostId), flavor_json: JSON.stringify(newFlavor),
      held_cores: Math.max(0, oldFlavor.vcpus - newFlavor.vcpus), held_ram: Math.max(0, oldFlavor.ram - newFlavor.ram),
      power_state: toldPowerState(operation.data.result) ?? (move.running ? 1 : 4), launched_at: dbNow, updated_at: dbNow, state_changed_at: dbNow,
    }).where('id', '=', operation.instanceId).where('generation', '=', operation.generation).execute().then(([result]) => result!);
    if (numUpdatedRows === 1n) await updateMigration(trx, move.id, { status: 'finished' });
  },
  async failed(trx, operation, failure) {
    await giveUp(trx, operation, 'error');
    await recordAttempts(trx, operation, failure);
  },
  async cancelled(trx, operation) {
    await giveUp(trx, operation, 'cancelled');
  },
});

/** All was taken back; a destination that is silent may have the guest, so that it was started nowhere else. */
async function giveUp(trx: Transaction<ComputeDb>, operation: Operation, status: 'error' | 'cancelled'): Promise<void> {
  await releaseHeld(trx, operation.instanceId);
  await settle(trx, operation, operation.data.doubtful === true ? { vm_state: 'error' } : {});
  await endMove(trx, operation, status);
}
