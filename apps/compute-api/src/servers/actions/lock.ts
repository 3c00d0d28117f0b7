import { Type } from '@sinclair/typebox';
import { actorOf } from '@virga/core';
import { inTransaction } from '@virga/db';
import { SERVER_ACTIONS } from '@virga/domain';
import { recordAction } from '../../operations/start-operation';
import { lockServer } from '../change-guard';
import type { ActionHandler } from './action';

const Any = Type.Unknown();
const Reason = Type.Union([Type.Null(), Type.Object({ locked_reason: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })) }, { additionalProperties: false })]);

/** A locked server refuses changes by anyone but administrators, until it is unlocked. */
export const lockActions: Record<string, ActionHandler> = {
  lock: {
    rule: SERVER_ACTIONS.lock.rule,
    schema: [['2.1', Any], ['2.73', Reason]],
    async run({ db, caller, serverId }, argument: { locked_reason?: string } | null) {
      await inTransaction(db, async (trx) => {
        const row = await lockServer(trx, caller, serverId, { ignoreLock: true });
        await trx.updateTable('instances')
          .set({ locked: 1, locked_by: caller.project?.id === row.project_id ? 'owner' : 'admin', locked_reason: argument?.locked_reason ?? null })
          .where('id', '=', serverId).execute();
        await recordAction(trx, { instanceId: serverId, action: 'lock', actor: actorOf(caller) });
      });
    },
  },
  unlock: {
    rule: SERVER_ACTIONS.unlock.rule,
    schema: [['2.1', Any]],
    async run({ db, policy, caller, serverId }) {
      await inTransaction(db, async (trx) => {
        const row = await lockServer(trx, caller, serverId, { ignoreLock: true });
        const expected = caller.project?.id === row.project_id ? 'owner' : 'admin';
        if (row.locked_by !== null && row.locked_by !== expected) policy.enforce(caller, 'os_compute_api:os-lock-server:unlock:unlock_override', { projectId: row.project_id });
        await trx.updateTable('instances').set({ locked: 0, locked_by: null, locked_reason: null }).where('id', '=', serverId).execute();
        await recordAction(trx, { instanceId: serverId, action: 'unlock', actor: actorOf(caller) });
      });
    },
  },
};
