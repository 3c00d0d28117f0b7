import type { Invariant } from '../invariant';

export const usedEqualsAllocations: Invariant = {
  name: 'used-equals-allocations',
  sentence: 'What placement books as used of a host is the sum of the claims on it.',
  cost: 'services',
  async find(view) {
    const [allocations, hosts] = await Promise.all([view.allocations(), view.placementHosts()]);
    return hosts.flatMap(({ hostId, hostname, used }) => {
      const claims = allocations.filter((allocation) => allocation.hostId === hostId);
      const unlike = (['vcpus', 'memoryMb', 'diskGb'] as const).flatMap((what) => {
        const sum = claims.reduce((total, { resources }) => total + resources[what], 0);
        return sum === used[what] ? [] : [`${what} ${used[what]} instead of ${sum}`];
      });
      return unlike.length === 0 ? [] : [{ key: hostId, sentence: `Placement's books of host ${hostname} differ from the claims on it: ${unlike.join(', ')}.` }];
    });
  },
};
