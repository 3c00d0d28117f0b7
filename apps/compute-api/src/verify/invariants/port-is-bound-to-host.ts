import { networkContract } from '@virga/contracts';
import type { Invariant } from '../invariant';
import { isBusy, livingInstance } from '../cloud-view';
import { ON_A_HOST } from './instance-has-host';

export const portIsBoundToHost: Invariant = {
  name: 'port-is-bound-to-host',
  sentence: 'The ports of an instance are bound to its host.',
  cost: 'services',
  async find(view) {
    const ports = await view.ports();
    const settled = new Map((await view.settled()).map((instance) => [instance.id, instance]));
    return ports.flatMap(({ portId, instanceId, hostname }) => {
      const instance = settled.get(instanceId);
      if (!instance || !ON_A_HOST.has(instance.vmState) || instance.host === hostname) return [];
      return [{ key: portId, sentence: `Port ${portId} is bound to ${hostname || 'no host'}, and its instance ${instanceId} is on ${instance.host}.`, facts: { instanceId } }];
    });
  },
  async repair({ facts }, { db, bus }) {
    const { instanceId } = facts as { instanceId: string };
    const instance = await livingInstance(db, instanceId);
    if (!instance?.host || !instance.hostId || await isBusy(db, instanceId)) return undefined;
    await bus.client(networkContract).bindPorts({ instanceId, hostId: instance.hostId, hostname: instance.host });
    return `bound to ${instance.host}`;
  },
};
