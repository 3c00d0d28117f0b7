import { inTransaction } from '@virga/db';
import { dbNow } from '../../db/time';
import { LIVE_STATES } from '../../operations/operation';
import { startOperation } from '../../operations/start-operation';
import { recordFault } from '../../workflows/record-fault';
import type { Invariant } from '../invariant';

/** A task state that nobody works off is the disease that this list is here for. */
export const taskStateHasOperation: Invariant = {
  name: 'task-state-has-operation',
  sentence: 'An instance with a task state, or in the state building, has an operation at work on it.',
  cost: 'database',
  async find(view) {
    const [instances, busy] = await Promise.all([view.instances(), view.busy()]);
    return [...instances.values()].filter(({ id, taskState, vmState }) => (taskState !== null || vmState === 'building') && !busy.has(id)).map(({ id, name, taskState, vmState }) => ({
      key: id, sentence: `Instance ${id} (${name}) is ${vmState}${taskState === null ? '' : ` and ${taskState}`}, and no operation is at work on it.`,
    }));
  },
  async repair({ key: id }, { db, wakeRelay }) {
    const done = await inTransaction(db, async (trx) => {
      const row = await trx.selectFrom('instances').selectAll().where('id', '=', id).where('deleted_at', 'is', null).forUpdate().executeTakeFirst();
      if (!row || (row.task_state === null && row.vm_state !== 'building')) return undefined;
      const live = await trx.selectFrom('operations').select('id').where('instance_id', '=', id).where('state', 'in', [...LIVE_STATES]).executeTakeFirst();
      if (live) return undefined;
      const generation = row.generation + 1;
      const fresh = { generation, updated_at: dbNow, state_changed_at: dbNow };
      if (row.task_state === 'deleting') {
        await trx.updateTable('instances').set(fresh).where('id', '=', id).execute();
        await startOperation(trx, { kind: 'delete-instance', instanceId: id, generation, actor: { requestId: `req-${id}`, userId: 'conductor', projectId: null, roles: [] } });
        return 'the deletion was begun again';
      }
      const failed = row.vm_state === 'building';
      await trx.updateTable('instances').set({ ...fresh, task_state: null, ...(failed && { vm_state: 'error' }) }).where('id', '=', id).execute();
      await recordFault(trx, id, { message: `What was under way (${row.task_state ?? row.vm_state}) was lost.`, step: 'verify' });
      return failed ? 'the instance was put into the state error' : 'the task state was taken back';
    });
    wakeRelay();
    return done;
  },
};
