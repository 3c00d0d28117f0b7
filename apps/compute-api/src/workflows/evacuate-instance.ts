import { conflict } from '@virga/core';
import type { Transaction } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';
import { assertOff, isDown, type Fence } from '../evacuation/host-is-off';
import { updateMigration } from '../migrations/migration.repository';
import type { Operation } from '../operations/operation';
import type { StepContext, Workflow } from '../operations/workflow';
import type { ServerFlavor } from '../servers/server-row';
import { claimHost } from './claim-host';
import { bindTo, endMove, moveOf, specOf, zoneOf } from './cold-move';
import { settle } from './settle';
import { recordAttempts, refuseOtherThan, tryElsewhere } from './try-elsewhere';

export interface EvacuateArgs {
  /** Name of the destination; absent when the scheduler chooses. */
  host?: string;
  /** Only its room may refuse the destination. */
  force?: boolean;
  /** Off afterwards. */
  stopped: boolean;
}

const argsOf = ({ operation }: { operation: Operation }) => operation.args as unknown as EvacuateArgs;

async function chooseHost(context: StepContext): Promise<Record<string, unknown>> {
  const { db, data } = context;
  const move = await moveOf(context);
  const row = await context.instance();
  const { host, force = false } = argsOf(context);
  refuseOtherThan(host, data, 'EvacuationError');
  const { hostId, hostname } = await claimHost(context, row, {
    consumerId: row.id, flavor: JSON.parse(row.flavor_json) as ServerFlavor, notOn: [move.sourceHostId], notCounted: [move.uuid], forceGroup: force,
    ...(host !== undefined ? { host, skipFilters: force } : { availabilityZone: row.requested_az }),
  });
  await context.remember({ destHostId: hostId, destHostname: hostname });
  await updateMigration(db, move.id, { status: 'pre-migrating', dest_host_id: hostId, dest_compute: hostname });
  // From here on the old host is told, if it comes back, that the instance is not its own any more: it starts nothing and is cleaned.
  await context.updateInstance({ host_id: hostId, host: hostname, availability_zone: zoneOf(hostId), task_state: 'rebuild_spawning', state_changed_at: dbNow });
  return { hostname };
}

/** Builds an instance anew on another host when its own is dead; its ports and addresses go along. Its disks are those of its image, unless the hosts have them in common. */
export const evacuateInstance = (fence?: Fence): Workflow => ({
  kind: 'evacuate-instance',
  steps: [
    {
      name: 'fence_host',
      timeoutMs: 300_000,
      async do(context) {
        const { sourceHostId, sourceHostname } = await moveOf(context);
        if (!(await isDown(context.db, sourceHostId))) throw conflict(`Compute service of ${sourceHostname} is still in use.`, { type: 'ComputeServiceInUse' });
        await assertOff(context.db, sourceHostId, fence);
        return { hostname: sourceHostname };
      },
    },
    {
      name: 'hold_source',
      timeoutMs: 120_000,
      async do(context) {
        const move = await moveOf(context);
        await context.neighbours.placement.transfer({ from: context.operation.instanceId, to: move.uuid, onHost: move.sourceHostId });
      },
      async undo(context) {
        await context.neighbours.placement.transfer({ from: (await moveOf(context)).uuid, to: context.operation.instanceId });
      },
    },
    {
      name: 'choose_host',
      timeoutMs: 120_000,
      do: chooseHost,
      async undo(context) {
        const { sourceHostId, sourceHostname } = await moveOf(context);
        await context.neighbours.placement.release({ consumerId: context.operation.instanceId });
        await context.updateInstance({ host_id: sourceHostId, host: sourceHostname, availability_zone: zoneOf(sourceHostId), task_state: 'rebuilding', state_changed_at: dbNow });
        await context.remember({ destHostId: null, destHostname: null });
      },
    },
    {
      name: 'bind_ports',
      timeoutMs: 120_000,
      async do(context) {
        const { destHostId, destHostname } = await moveOf(context);
        await bindTo(context, destHostId, destHostname);
      },
      async undo(context) {
        const { sourceHostId, sourceHostname } = await moveOf(context);
        await bindTo(context, sourceHostId, sourceHostname);
      },
    },
    {
      name: 'build_on_host',
      timeoutMs: 1_200_000,
      async do(context) {
        const { destHostId, newFlavor } = await moveOf(context);
        return { result: await context.command(destHostId, 'build', await specOf(context, newFlavor)) };
      },
      async undo(context) {
        // Those on shared storage are the guest's only ones.
        await context.command((await moveOf(context)).destHostId, 'destroy', { keepDisks: true });
      },
    },
    {
      name: 'leave_off',
      timeoutMs: 300_000,
      async do(context) {
        if (argsOf(context).stopped) await context.command((await moveOf(context)).destHostId, 'stop', { timeoutSeconds: 0 });
      },
    },
    {
      name: 'release_source',
      timeoutMs: 300_000,
      pointOfNoReturn: true,
      async do(context) {
        await context.neighbours.placement.release({ consumerId: (await moveOf(context)).uuid });
      },
    },
  ],
  retry: tryElsewhere('choose_host', 'destHostId', 'destHostname'),
  async succeeded(trx, operation) {
    const { stopped } = argsOf({ operation });
    await settle(trx, operation, { vm_state: stopped ? 'stopped' : 'active', power_state: stopped ? 4 : 1, launched_at: dbNow, admin_pass: null });
    await endMove(trx, operation, 'done');
  },
  async failed(trx, operation, failure) {
    await giveUp(trx, operation, 'failed');
    await recordAttempts(trx, operation, failure);
  },
  async cancelled(trx, operation) {
    await giveUp(trx, operation, 'cancelled');
  },
});

/** It is where it was before: on a dead host, and as the API showed it. */
async function giveUp(trx: Transaction<ComputeDb>, operation: Operation, status: 'failed' | 'cancelled'): Promise<void> {
  await settle(trx, operation, { admin_pass: null });
  await endMove(trx, operation, status);
}
