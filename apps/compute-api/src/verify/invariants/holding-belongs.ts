import { hostAgentContract, type HostHolding } from '@virga/contracts';
import type { Invariant } from '../invariant';
import { isKept } from '../../live-migration/kept-halves';
import { isBusy, livingInstance } from '../cloud-view';

const words = ({ powerState, directory, taps }: HostHolding): string =>
  [...(powerState !== undefined ? ['a machine'] : []), ...(directory ? ['a directory'] : []), ...(taps.length > 0 ? [`${taps.length} card(s)`] : [])].join(', ');

/** Machines, disks and cards of instances that are deleted or live elsewhere. */
export const holdingBelongs: Invariant = {
  name: 'holding-belongs',
  sentence: 'What a host has of an instance belongs to a living instance on that host.',
  cost: 'hosts',
  async find(view) {
    const hosts = await view.hosts();
    const [instances, busy] = await Promise.all([view.instances(), view.busy()]);
    const strays = hosts.flatMap((host) => (host.inventory?.holdings ?? [])
      .filter((holding) => !holding.busy && !busy.has(holding.instanceId) && instances.get(holding.instanceId)?.hostId !== host.id).map((holding) => ({ host, holding })));
    const known = await view.known([...new Set(strays.map(({ holding }) => holding.instanceId))]);
    return strays.map(({ host, holding }) => {
      const id = holding.instanceId;
      const living = instances.get(id);
      const whose = living ? `lives on ${living.host ?? 'no host'}` : known.has(id) ? 'is deleted' : 'is in no books';
      return {
        key: `${host.id}/${id}`, sentence: `Host ${host.hostname} has ${words(holding)} of instance ${id}, which ${whose}.`,
        facts: { hostId: host.id, instanceId: id, generation: holding.generation, known: known.has(id) },
      };
    });
  },
  async repair({ facts }, { db, bus }) {
    const { hostId, instanceId, generation, known } = facts as { hostId: string; instanceId: string; generation: number; known: boolean };
    // What was never ours, or is missing from books that were set back, only a person may throw away.
    if (!known) return undefined;
    if ((await livingInstance(db, instanceId))?.hostId === hostId || await isBusy(db, instanceId)) return undefined;
    // Half of a guest's memory, which its other half may still need.
    if (await isKept(db, instanceId, hostId)) return undefined;
    await bus.client(hostAgentContract, { hostId }).cleanup({ instanceId, generation });
    return 'the host has taken it away';
  },
};
