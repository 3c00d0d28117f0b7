import { sql } from '@virga/db';
import { dbNow } from '../../db/time';
import { LIVE_STATES } from '../../operations/operation';
import type { Invariant } from '../invariant';

export const commandsHaveOperation: Invariant = {
  name: 'commands-have-operation',
  sentence: 'A command that is out to a host belongs to an operation that is not over.',
  cost: 'database',
  async find({ db }) {
    const rows = await db.selectFrom('commands as c').leftJoin('operations as o', 'o.id', 'c.operation_id').select(['c.id', 'c.verb', 'c.host_id', 'c.instance_id', 'o.state'])
      .where('c.state', '=', 'sent').where((eb) => eb.or([eb('o.state', 'is', null), eb('o.state', 'not in', [...LIVE_STATES])])).limit(1000).execute();
    return rows.map(({ id, verb, host_id: hostId, instance_id: instanceId, state }) => ({
      key: id, sentence: `Command ${id} (${verb} of instance ${instanceId} on host ${hostId}) is still out, and its operation is ${state ?? 'gone'}.`,
    }));
  },
  async repair({ key: id }, { db }) {
    const { numUpdatedRows } = await db.updateTable('commands').set({ state: 'expired', finished_at: dbNow }).where('id', '=', id).where('state', '=', 'sent')
      .where(sql<boolean>`NOT EXISTS (SELECT 1 FROM operations o WHERE o.id = commands.operation_id AND o.state IN (${sql.join([...LIVE_STATES])}))`).executeTakeFirst();
    return numUpdatedRows > 0n ? 'nobody waits for the command any more' : undefined;
  },
};
