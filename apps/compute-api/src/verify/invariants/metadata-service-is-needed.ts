import { hostAgentContract } from '@virga/contracts';
import type { Invariant } from '../invariant';

export const metadataServiceIsNeeded: Invariant = {
  name: 'metadata-service-is-needed',
  sentence: 'A host runs a network\'s metadata service only while it has instances.',
  cost: 'hosts',
  async find(view) {
    const hosts = await view.hosts();
    // Which networks the instances are on, the host itself knows best; without any it needs none.
    return hosts.filter(({ inventory }) => inventory && inventory.holdings.length === 0 && inventory.metadataNetworks.length > 0).map(({ id, hostname, inventory }) => ({
      key: id, sentence: `Host ${hostname} has no instance and runs the metadata service of ${inventory!.metadataNetworks.length} network(s).`, facts: { hostId: id },
    }));
  },
  async repair({ facts }, { bus }) {
    await bus.client(hostAgentContract, { hostId: (facts as { hostId: string }).hostId }).cleanup({});
    return 'the host has looked through its metadata services';
  },
};
