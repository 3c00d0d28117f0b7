import { placementContract } from '@virga/contracts';
import { inTransaction, type Kysely } from '@virga/db';
import type { ComputeDb } from '../../db/schema';
import { updateMigration } from '../../migrations/migration.repository';
import { LIVE_STATES } from '../../operations/operation';
import { releaseHeld } from '../../quotas/quota-usage';
import { isBusy } from '../cloud-view';
import type { Invariant } from '../invariant';

const forgotten = (db: Kysely<ComputeDb>) => db.selectFrom('migrations as m').innerJoin('instances as i', 'i.id', 'm.instance_id').select(['m.id', 'm.uuid', 'm.instance_id', 'i.vm_state'])
  .where('m.status', 'in', ['finished', 'confirming', 'reverting']).where('i.vm_state', '!=', 'resized')
  .where((eb) => eb.not(eb.exists(eb.selectFrom('operations as o').select('o.id').whereRef('o.instance_id', '=', 'm.instance_id').where('o.state', 'in', [...LIVE_STATES]))));

/** After an administrator has declared a resized instance to be something else there is no way back: what was kept for it is given back. */
export const moveAwaitsWord: Invariant = {
  name: 'move-awaits-word',
  sentence: 'A finished move that is neither confirmed nor reverted is one of a resized instance.',
  cost: 'database',
  async find({ db }) {
    return (await forgotten(db).execute()).map(({ id, instance_id: instanceId, vm_state: state }) => ({
      key: String(id), sentence: `Migration ${id} of instance ${instanceId} waits to be confirmed, and the instance is ${state}.`, facts: { instanceId },
    }));
  },
  async repair({ key, facts }, { db, bus }) {
    const { instanceId } = facts as { instanceId: string };
    if (await isBusy(db, instanceId)) return undefined;
    const row = await forgotten(db).where('m.id', '=', Number(key)).executeTakeFirst();
    if (!row) return undefined;
    await bus.client(placementContract).release({ consumerId: row.uuid });
    await inTransaction(db, async (trx) => {
      await releaseHeld(trx, instanceId);
      await updateMigration(trx, row.id, { status: 'error' });
    });
    return 'what was kept for the way back was given back';
  },
};
