import { newUuid, PeriodicWork, type Logger } from '@virga/core';
import type { Kysely } from '@virga/db';
import { beginConfirmation } from '../cold-moves/begin';
import type { ComputeDb } from '../db/schema';
import { dbNowPlus } from '../db/time';

export interface ResizeConfirmerOptions {
  db: Kysely<ComputeDb>;
  logger: Logger;
  /** Since the move was finished. */
  afterSeconds: number;
  wakeRelay(): void;
  /** Between two looks, ms. */
  everyMs?: number;
}

/** Confirms moves that their users have forgotten. Any number may look: who starts the operation is decided by the instance's row. */
export class ResizeConfirmer extends PeriodicWork {
  constructor(private readonly options: ResizeConfirmerOptions) {
    const { logger, afterSeconds, everyMs = Math.min(60_000, afterSeconds * 500) } = options;
    super({ everyMs, failed: 'forgotten resizes not confirmed; trying again later' }, logger);
  }

  protected async work(): Promise<void> {
    const { options: { db, afterSeconds, wakeRelay }, logger } = this;
    const due = await db.selectFrom('migrations as m').innerJoin('instances as i', 'i.id', 'm.instance_id')
      .select(['m.id', 'm.instance_id', 'i.generation', 'i.vm_state', 'i.locked', 'i.project_id']).where('m.status', '=', 'finished').where('m.updated_at', '<', dbNowPlus(-afterSeconds * 1000))
      .where('i.vm_state', '=', 'resized').where('i.task_state', 'is', null).where('i.deleted_at', 'is', null).limit(100).execute();
    for (const { id, instance_id: instanceId, project_id: projectId, ...row } of due) {
      const actor = { requestId: `req-${newUuid()}`, userId: 'conductor', projectId, roles: [] };
      const started = await beginConfirmation(db, { ...row, id: instanceId }, id, actor);
      if (started) logger.info({ instanceId, afterSeconds }, 'a resize that nobody has confirmed is confirmed');
    }
    if (due.length > 0) wakeRelay();
  }
}
