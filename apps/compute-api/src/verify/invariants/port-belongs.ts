import { networkContract } from '@virga/contracts';
import type { Invariant } from '../invariant';
import { isBusy, livingInstance } from '../cloud-view';

export const portBelongs: Invariant = {
  name: 'port-belongs',
  sentence: 'A port that compute took or made belongs to a living instance.',
  cost: 'services',
  async find(view) {
    const ports = await view.ports();
    const [instances, busy] = await Promise.all([view.instances(), view.busy()]);
    return ports.filter(({ instanceId }) => !instances.has(instanceId) && !busy.has(instanceId)).map(({ portId, instanceId }) => ({
      key: portId, sentence: `Port ${portId} belongs to instance ${instanceId}, which is not alive.`, facts: { instanceId },
    }));
  },
  async repair({ facts }, { db, bus }) {
    const { instanceId } = facts as { instanceId: string };
    if (await livingInstance(db, instanceId) || await isBusy(db, instanceId)) return undefined;
    await bus.client(networkContract).releasePorts({ instanceId });
    return 'the ports were given back';
  },
};
