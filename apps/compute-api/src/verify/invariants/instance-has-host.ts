import type { Invariant } from '../invariant';

/** States in which an instance is a machine on a host. */
export const ON_A_HOST = new Set(['active', 'paused', 'suspended', 'stopped', 'resized']);

export const instanceHasHost: Invariant = {
  name: 'instance-has-host',
  sentence: 'An instance that is built has exactly one host, and we know it.',
  cost: 'database',
  async find(view) {
    const hosts = new Set((await view.db.selectFrom('hosts').select('id').execute()).map(({ id }) => id));
    return (await view.settled()).filter(({ vmState, hostId }) => ON_A_HOST.has(vmState) && (hostId === null || !hosts.has(hostId))).map(({ id, name, vmState, hostId }) => ({
      key: id, sentence: `Instance ${id} (${name}) is ${vmState} and ${hostId === null ? 'on no host' : `on host ${hostId}, which we do not know`}.`,
    }));
  },
};
