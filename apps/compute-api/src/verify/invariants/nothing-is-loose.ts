import { hostAgentContract } from '@virga/contracts';
import type { Invariant } from '../invariant';

/** What a crash can leave that bears no instance's name; the host itself knows best what its instances need. */
export const nothingIsLoose: Invariant = {
  name: 'nothing-is-loose',
  sentence: 'A host has no cards, metadata services or proxies that none of its instances needs.',
  cost: 'hosts',
  async find(view) {
    return (await view.hosts()).flatMap(({ id, hostname, inventory }) => {
      if (!inventory) return [];
      const { taps, metadataNetworks, metadataProxies } = inventory.loose;
      const words = [...taps.map((name) => `the card ${name}`), ...metadataNetworks.map((network) => `the metadata service of network ${network}`), ...(metadataProxies > 0 ? [`${metadataProxies} superfluous metadata proxy(s)`] : [])];
      return words.length === 0 ? [] : [{ key: id, sentence: `Host ${hostname} has ${words.join(', ')}, and no instance that needs it.`, facts: { hostId: id } }];
    });
  },
  async repair({ facts }, { bus }) {
    await bus.client(hostAgentContract, { hostId: (facts as { hostId: string }).hostId }).cleanup({});
    return 'the host has taken it away';
  },
};
