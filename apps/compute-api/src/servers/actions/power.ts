import { Type } from '@sinclair/typebox';
import { actorOf, conflict } from '@virga/core';
import { inTransaction } from '@virga/db';
import { refuseAction, SERVER_ACTIONS, type ServerAction } from '@virga/domain';
import { dbNow } from '../../db/time';
import { startOperation } from '../../operations/start-operation';
import type { PowerActionName } from '../../workflows/power-action';
import { getInstance } from '../server.repository';
import type { ActionContext, ActionHandler } from './action';

/**
 * Starts a power action: one transaction with the compare-and-swap on the state in which it was found. Whoever comes
 * second is told the state that the first one has set.
 */
async function startPower({ db, policy, caller, serverId }: ActionContext, name: PowerActionName): Promise<void> {
  const action: ServerAction = SERVER_ACTIONS[name];
  const mayOverrideLock = policy.allows(caller, 'os_compute_api:os-lock-server:unlock:unlock_override');
  for (;;) {
    const row = await getInstance(db, caller, serverId);
    const refusal = refuseAction(action, { id: row.id, vmState: row.vm_state, taskState: row.task_state, locked: row.locked !== 0 }, mayOverrideLock);
    if (refusal) throw conflict(refusal.message);
    if (row.host_id === null) throw conflict(`Instance ${row.id} is not ready`);
    const won = await inTransaction(db, async (trx) => {
      const generation = row.generation + 1;
      const { numUpdatedRows } = await trx.updateTable('instances').set({ task_state: action.taskState!, generation, updated_at: dbNow, state_changed_at: dbNow })
        .where('id', '=', row.id).where('generation', '=', row.generation).where('vm_state', '=', row.vm_state).where('task_state', 'is', null)
        .where('locked', '=', row.locked).where('deleted_at', 'is', null).executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      await startOperation(trx, { kind: 'power-action', instanceId: row.id, generation, actor: actorOf(caller), args: { action: name }, action: action.name });
      return true;
    });
    if (won) return;
  }
}

const Nothing = [['2.1', Type.Union([Type.Null(), Type.Object({}), Type.String()])]] as const;
const simple = (name: PowerActionName): ActionHandler => ({
  rule: SERVER_ACTIONS[name].rule, schema: Nothing, run: (context) => startPower(context, name),
});

const RebootType = Type.Object({ type: Type.Union(['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft'].map((word) => Type.Literal(word))) }, { additionalProperties: false });

export const powerActions: Record<string, ActionHandler> = {
  'os-start': simple('start'),
  'os-stop': simple('stop'),
  pause: simple('pause'),
  unpause: simple('unpause'),
  suspend: simple('suspend'),
  resume: simple('resume'),
  reboot: {
    rule: SERVER_ACTIONS.rebootSoft.rule,
    schema: [['2.1', RebootType]],
    run: (context, { type }: { type: string }) => startPower(context, type.toUpperCase() === 'HARD' ? 'rebootHard' : 'rebootSoft'),
  },
};
