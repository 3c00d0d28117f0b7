import { sql } from '@virga/db';
import { updateMigration } from '../migrations/migration.repository';
import type { Workflow } from '../operations/workflow';
import { releaseHeld } from '../quotas/quota-usage';
import { endMove, moveInTransaction, moveOf } from './cold-move';
import { recordFault } from './record-fault';
import { settle } from './settle';
import { commandNowOrLater } from './silent-host';

/** There is no way back any more: what was kept of the old host goes. */
export const confirmResize: Workflow = {
  kind: 'confirm-resize',
  steps: [
    {
      name: 'discard_source',
      timeoutMs: 120_000,
      async do(context) {
        const { sourceHostId, sourceHostname } = await moveOf(context);
        await commandNowOrLater(context, sourceHostId, 'discardAside', {}, 'the old host did not answer; what it keeps of the instance is taken away later');
        return { hostname: sourceHostname };
      },
    },
    {
      name: 'release_source',
      timeoutMs: 300_000,
      async do(context) {
        await context.neighbours.placement.release({ consumerId: (await moveOf(context)).uuid });
      },
    },
  ],
  async succeeded(trx, operation) {
    await releaseHeld(trx, operation.instanceId);
    await settle(trx, operation, { vm_state: sql<string>`IF(vm_state = 'resized', IF(power_state IN (4, 6), 'stopped', 'active'), vm_state)` });
    await endMove(trx, operation, 'confirmed');
  },
  async failed(trx, operation, failure) {
    await settle(trx, operation);
    const move = await moveInTransaction(trx, operation);
    // It can be confirmed again.
    if (move) await updateMigration(trx, move.id, { status: 'finished' });
    await recordFault(trx, operation.instanceId, failure);
  },
};
