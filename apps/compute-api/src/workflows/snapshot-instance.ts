import { CloudError } from '@virga/core';
import type { Workflow } from '../operations/workflow';
import { giveBack, settle } from './settle';

export interface SnapshotArgs {
  /** Registered already, without data. */
  imageId: string;
  /** Older backups of the kind that stay, the new one included. */
  backup?: { type: string; keep: number };
}

/** The root disk becomes an image's data; a failure leaves no image. The instance itself does not change. */
export const snapshotInstance: Workflow = {
  kind: 'snapshot-instance',
  steps: [
    {
      name: 'snapshot_on_host',
      timeoutMs: 3_600_000,
      async do(context) {
        const row = await context.instance();
        if (row.host_id === null) throw new CloudError('conflict', `Instance ${row.id} is on no host.`);
        const { imageId } = context.operation.args as unknown as SnapshotArgs;
        return { hostname: row.host, result: await context.command(row.host_id, 'snapshot', { imageId }) };
      },
      async undo(context) {
        await context.neighbours.image.discardSnapshot({ imageId: (context.operation.args as unknown as SnapshotArgs).imageId });
      },
    },
    {
      name: 'drop_old_backups',
      timeoutMs: 120_000,
      async do(context) {
        const { backup } = context.operation.args as unknown as SnapshotArgs;
        if (!backup) return;
        const row = await context.instance();
        await context.neighbours.image.dropOldBackups({ ownerId: row.project_id, instanceId: row.id, backupType: backup.type, keep: backup.keep });
      },
    },
  ],
  succeeded: (trx, operation) => settle(trx, operation),
  failed: (trx, operation, failure) => giveBack(trx, operation, failure),
};
