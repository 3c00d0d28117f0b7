import { placementContract } from '@virga/contracts';
import type { Invariant } from '../invariant';
import { isBusy, isMigrating, livingInstance } from '../cloud-view';

export const allocationBelongs: Invariant = {
  name: 'allocation-belongs',
  sentence: 'What is claimed of a host is claimed by a living instance on it, or by a migration to it that is under way, and as much as its flavor says.',
  cost: 'services',
  async find(view) {
    const allocations = await view.allocations();
    const [instances, busy, migrating] = await Promise.all([view.instances(), view.busy(), view.migrating()]);
    return allocations.filter(({ consumerId }) => !busy.has(consumerId) && !migrating.has(consumerId)).flatMap(({ consumerId: id, hostId, resources }) => {
      const instance = instances.get(id);
      if (!instance || instance.hostId === null) return [{ key: id, sentence: `Instance ${id} ${instance ? 'is on no host' : 'is not alive'} and holds a claim on host ${hostId}.` }];
      if (instance.hostId !== hostId) return [{ key: id, sentence: `Instance ${id} is on host ${instance.hostId} and holds a claim on host ${hostId}.` }];
      const unlike = (['vcpus', 'memoryMb', 'diskGb'] as const).filter((what) => resources[what] !== instance.resources[what]);
      return unlike.length === 0 ? [] : [{ key: id, sentence: `The claim of instance ${id} differs from its flavor: ${unlike.map((what) => `${what} ${resources[what]} instead of ${instance.resources[what]}`).join(', ')}.` }];
    });
  },
  async repair({ key: id }, { db, bus }) {
    const instance = await livingInstance(db, id);
    if (await isBusy(db, id) || await isMigrating(db, id)) return undefined;
    // A claim on another host than the instance's may be a move that a person must judge.
    if (instance && instance.hostId !== null) return undefined;
    const { released } = await bus.client(placementContract).release({ consumerId: id });
    return released ? 'the claim was given back' : undefined;
  },
};
