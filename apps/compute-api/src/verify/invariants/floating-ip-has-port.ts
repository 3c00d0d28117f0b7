import type { Invariant } from '../invariant';

export const floatingIpHasPort: Invariant = {
  name: 'floating-ip-has-port',
  sentence: 'A floating IP points to a port that exists, or to none.',
  cost: 'services',
  async find(view) {
    return (await view.network()).danglingFloatingIps.map((id) => ({ key: id, sentence: `Floating IP ${id} points to a port that does not exist.` }));
  },
};
