import { Type } from '@sinclair/typebox';
import { inTransaction, type Transaction } from '@virga/db';
import { SERVER_ACTIONS } from '@virga/domain';
import type { ComputeDb } from '../../db/schema';
import { dbNow } from '../../db/time';
import { cancelOperation } from '../../operations/cancel-operation';
import { CANCEL, LIVE_STATES } from '../../operations/operation';
import { keepHalves } from '../../live-migration/kept-halves';
import { lockServer } from '../change-guard';
import type { ActionHandler } from './action';

const State = Type.Object({ state: Type.Union([Type.Literal('active'), Type.Literal('error')]) }, { additionalProperties: false });

/**
 * An administrator declares what a server is. Whatever is being done to it loses its say by the new generation, except what can be
 * taken back, as a live migration: cut off in the middle, its guest would be where nobody expects it. That is undone, or goes on to its
 * end when there is no way back, and only then the server is free for something else.
 */
export const resetState: ActionHandler = {
  rule: SERVER_ACTIONS.resetState.rule,
  schema: [['2.1', State]],
  async run({ db, caller, serverId }, { state }: { state: string }) {
    await inTransaction(db, async (trx) => {
      const row = await lockServer(trx, caller, serverId, { ignoreLock: true });
      const ends = await takeBack(trx, serverId);
      await trx.updateTable('instances')
        .set({ vm_state: state, admin_pass: null, updated_at: dbNow, state_changed_at: dbNow, ...(!ends && { task_state: null, generation: row.generation + 1 }) })
        .where('id', '=', serverId).execute();
      if (ends) return;
      await keepHalves(trx, serverId, row.generation);
      await trx.updateTable('operations').set({ cancel_requested: CANCEL.superseded, due_at: dbNow }).where('instance_id', '=', serverId).where('state', 'in', [...LIVE_STATES]).execute();
    });
  },
};

/** Wants undone what may be; true when that, or what may not be undone any more, is still at work on the server. */
async function takeBack(trx: Transaction<ComputeDb>, serverId: string): Promise<boolean> {
  const live = await trx.selectFrom('operations').select('id').where('instance_id', '=', serverId).where('state', 'in', [...LIVE_STATES]).execute();
  let ends = false;
  for (const { id } of live) {
    const answer = await cancelOperation(trx, id);
    ends ||= answer === 'requested' || answer === 'noReturn';
  }
  return ends;
}
