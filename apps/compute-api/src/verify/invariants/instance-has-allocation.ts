import { placementContract } from '@virga/contracts';
import type { Invariant } from '../invariant';
import { groupClaim } from '../../server-groups/server-group.repository';
import { isBusy, livingInstance } from '../cloud-view';

export const instanceHasAllocation: Invariant = {
  name: 'instance-has-allocation',
  sentence: 'Every instance on a host holds its claim there.',
  cost: 'services',
  async find(view) {
    const claimed = new Set((await view.allocations()).map(({ consumerId }) => consumerId));
    return (await view.settled()).filter(({ id, hostId }) => hostId !== null && !claimed.has(id)).map(({ id, name, host }) => ({
      key: id, sentence: `Instance ${id} (${name}) is on host ${host} and has no claim there.`,
    }));
  },
  async repair({ key: id }, { db, bus }) {
    const instance = await livingInstance(db, id);
    if (!instance || instance.hostId === null || await isBusy(db, id)) return undefined;
    await bus.client(placementContract).claim({ consumerId: id, projectId: instance.projectId, resources: instance.resources, requestedHost: instance.hostId, skipFilters: true, ...(await groupClaim(db, id, { force: true })) });
    return 'claimed again';
  },
};
