import { networkAuditContract } from '@virga/contracts';
import type { Invariant } from '../invariant';

const PATIENCE = 15;

export const ovnEqualsTables: Invariant = {
  name: 'ovn-equals-tables',
  sentence: 'OVN\'s northbound rows are what the network service\'s tables say.',
  cost: 'services',
  async find(view) {
    const { differing, stale, queued, oldestQueuedSeconds } = await view.network();
    return [
      ...differing.map((resource) => ({ key: resource, sentence: `The northbound rows of ${resource} differ from the tables.` })),
      ...stale.map((resource) => ({ key: resource, sentence: `The northbound database has rows of ${resource}, which is in no table.` })),
      ...(oldestQueuedSeconds > PATIENCE ? [{ key: 'queue', sentence: `${queued} change(s) wait to be written to the northbound database, the oldest for ${Math.round(oldestQueuedSeconds)} s.` }] : []),
    ];
  },
  async repair(_violation, { bus }) {
    await bus.client(networkAuditContract).reconcile({});
    return 'the network service compares everything';
  },
};
