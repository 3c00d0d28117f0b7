import type { Invariant } from '../invariant';
import { ON_A_HOST } from './instance-has-host';

export const domainIsOnItsHost: Invariant = {
  name: 'domain-is-on-its-host',
  sentence: 'The machine of an instance is on the instance\'s host.',
  cost: 'hosts',
  async find(view) {
    const hosts = new Map((await view.hosts()).map((host) => [host.id, host]));
    return (await view.settled()).flatMap(({ id, name, vmState, hostId }) => {
      const host = hostId === null ? undefined : hosts.get(hostId);
      if (!ON_A_HOST.has(vmState) || !host?.inventory) return [];
      const holding = host.inventory.holdings.find(({ instanceId }) => instanceId === id);
      if (holding?.powerState !== undefined || holding?.busy) return [];
      return [{ key: id, sentence: `Instance ${id} (${name}) is ${vmState}, and its host ${host.hostname} has no machine of it.` }];
    });
  },
};
