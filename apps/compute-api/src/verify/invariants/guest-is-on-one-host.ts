import type { Invariant } from '../invariant';

/** The worst that can happen: two machines write to what both take for theirs. The stray one is taken away by `holding-belongs`. */
export const guestIsOnOneHost: Invariant = {
  name: 'guest-is-on-one-host',
  sentence: 'No instance has a machine on two hosts.',
  cost: 'hosts',
  async find(view) {
    const places = new Map<string, string[]>();
    for (const { hostname, inventory } of await view.hosts()) {
      for (const { instanceId, powerState } of inventory?.holdings ?? []) {
        if (powerState !== undefined) places.set(instanceId, [...(places.get(instanceId) ?? []), hostname]);
      }
    }
    return [...places].filter(([, hosts]) => hosts.length > 1).map(([id, hosts]) => ({ key: id, sentence: `Instance ${id} has machines on the hosts ${hosts.join(' and ')}.` }));
  },
};
