import { Type } from '@sinclair/typebox';
import { inTransaction } from '@virga/db';
import { SERVER_ACTIONS } from '@virga/domain';
import { dbNow } from '../../db/time';
import { CANCEL, LIVE_STATES } from '../../operations/operation';
import { lockServer } from '../change-guard';
import type { ActionHandler } from './action';

const State = Type.Object({ state: Type.Union([Type.Literal('active'), Type.Literal('error')]) }, { additionalProperties: false });

/** An administrator declares what a server is. Whatever is being done to it loses its say by the new generation. */
export const resetState: ActionHandler = {
  rule: SERVER_ACTIONS.resetState.rule,
  schema: [['2.1', State]],
  async run({ db, caller, serverId }, { state }: { state: string }) {
    await inTransaction(db, async (trx) => {
      const row = await lockServer(trx, caller, serverId, { ignoreLock: true });
      await trx.updateTable('instances').set({ vm_state: state, task_state: null, admin_pass: null, generation: row.generation + 1, updated_at: dbNow, state_changed_at: dbNow })
        .where('id', '=', serverId).execute();
      await trx.updateTable('operations').set({ cancel_requested: CANCEL.superseded, due_at: dbNow }).where('instance_id', '=', serverId).where('state', 'in', [...LIVE_STATES]).execute();
    });
  },
};
