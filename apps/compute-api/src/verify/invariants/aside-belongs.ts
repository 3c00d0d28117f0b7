import { hostAgentContract } from '@virga/contracts';
import type { Kysely } from '@virga/db';
import { ENDED_MIGRATION_STATUSES } from '@virga/domain';
import type { ComputeDb } from '../../db/schema';
import { isBusy } from '../cloud-view';
import type { Invariant } from '../invariant';

/** Sources of moves whose user has not decided yet, as `host/instance`. */
async function waitingMoves(db: Kysely<ComputeDb>): Promise<Set<string>> {
  const rows = await db.selectFrom('migrations as m').innerJoin('instances as i', 'i.id', 'm.instance_id').select(['m.source_host_id', 'm.instance_id'])
    .where('m.migration_type', 'in', ['resize', 'migration']).where('m.status', 'not in', [...ENDED_MIGRATION_STATUSES]).where('i.vm_state', '=', 'resized').where('i.deleted_at', 'is', null).execute();
  return new Set(rows.map((row) => `${row.source_host_id}/${row.instance_id}`));
}

export const asideBelongs: Invariant = {
  name: 'aside-belongs',
  sentence: 'Disks that a host keeps aside are those of a resized instance that came from there.',
  cost: 'hosts',
  async find(view) {
    const hosts = await view.hosts();
    const [waiting, busy] = await Promise.all([waitingMoves(view.db), view.busy()]);
    const strays = hosts.flatMap((host) => (host.inventory?.aside ?? []).filter((kept) => !kept.busy && !busy.has(kept.instanceId) && !waiting.has(`${host.id}/${kept.instanceId}`)).map((kept) => ({ host, kept })));
    const known = await view.known([...new Set(strays.map(({ kept }) => kept.instanceId))]);
    return strays.map(({ host, kept: { instanceId, generation } }) => ({
      key: `${host.id}/${instanceId}`, sentence: `Host ${host.hostname} keeps disks aside of instance ${instanceId}, which waits for no confirmation.`,
      facts: { hostId: host.id, instanceId, generation, known: known.has(instanceId) },
    }));
  },
  async repair({ key, facts }, { db, bus }) {
    const { hostId, instanceId, generation, known } = facts as { hostId: string; instanceId: string; generation: number; known: boolean };
    if (!known || (await waitingMoves(db)).has(key) || await isBusy(db, instanceId)) return undefined;
    await bus.client(hostAgentContract, { hostId }).cleanup({ instanceId, generation, aside: true });
    return 'the host has thrown them away';
  },
};
