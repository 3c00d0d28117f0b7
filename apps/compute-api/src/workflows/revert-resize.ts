import { dbNow } from '../db/time';
import { updateMigration } from '../migrations/migration.repository';
import type { Workflow } from '../operations/workflow';
import { releaseHeld } from '../quotas/quota-usage';
import { bindTo, endMove, moveInTransaction, moveOf, specOf, zoneOf } from './cold-move';
import { recordFault } from './record-fault';
import { settle, toldPowerState } from './settle';

/** Back to the host and the size that it had, with the disks that were kept aside there. Once the new copy is gone it goes on to the end. */
export const revertResize: Workflow = {
  kind: 'revert-resize',
  steps: [
    {
      // A destination that does not answer may have the guest running: then it is started nowhere else.
      name: 'leave_host',
      timeoutMs: 300_000,
      pointOfNoReturn: true,
      async do(context) {
        const { destHostId, destHostname } = await moveOf(context);
        await context.command(destHostId, 'destroy', { keepAside: true });
        return { hostname: destHostname };
      },
    },
    {
      name: 'bind_ports',
      timeoutMs: 300_000,
      async do(context) {
        const { sourceHostId, sourceHostname } = await moveOf(context);
        await bindTo(context, sourceHostId, sourceHostname);
      },
    },
    {
      name: 'move_books',
      timeoutMs: 300_000,
      async do(context) {
        const move = await moveOf(context);
        await context.neighbours.placement.transfer({ from: move.uuid, to: context.operation.instanceId });
        await context.updateInstance({
          host_id: move.sourceHostId, host: move.sourceHostname, availability_zone: zoneOf(move.sourceHostId), flavor_json: JSON.stringify(move.oldFlavor), power_state: 4, state_changed_at: dbNow,
          held_cores: Math.max(0, move.newFlavor.vcpus - move.oldFlavor.vcpus), held_ram: Math.max(0, move.newFlavor.ram - move.oldFlavor.ram),
        });
      },
    },
    {
      name: 'bring_back',
      timeoutMs: 600_000,
      async do(context) {
        const move = await moveOf(context);
        return { result: await context.command(move.sourceHostId, 'bringBack', { spec: await specOf(context, move.oldFlavor), start: move.running }), hostname: move.sourceHostname };
      },
    },
  ],
  async succeeded(trx, operation) {
    const move = await moveInTransaction(trx, operation);
    if (!move) return;
    await releaseHeld(trx, operation.instanceId);
    await settle(trx, operation, { vm_state: move.oldVmState, power_state: toldPowerState(operation.data.result) ?? (move.running ? 1 : 4), launched_at: dbNow });
    await endMove(trx, operation, 'reverted');
  },
  async failed(trx, operation, failure) {
    await recordFault(trx, operation.instanceId, failure);
    if (operation.noReturn) {
      await releaseHeld(trx, operation.instanceId);
      await settle(trx, operation, { vm_state: 'error' });
      return endMove(trx, operation, 'error');
    }
    const move = await moveInTransaction(trx, operation);
    await settle(trx, operation);
    // It can be tried again, or confirmed.
    if (move) await updateMigration(trx, move.id, { status: 'finished' });
  },
  async cancelled(trx, operation) {
    const move = await moveInTransaction(trx, operation);
    await settle(trx, operation);
    if (move) await updateMigration(trx, move.id, { status: 'finished' });
  },
};
