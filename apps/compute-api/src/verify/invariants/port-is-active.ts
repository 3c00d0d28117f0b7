import { networkAuditContract } from '@virga/contracts';
import type { Invariant } from '../invariant';

export const portIsActive: Invariant = {
  name: 'port-is-active',
  sentence: 'The ports of a running instance are ACTIVE.',
  cost: 'services',
  async find(view) {
    const ports = await view.ports();
    const running = new Map((await view.settled()).filter(({ vmState, powerState }) => vmState === 'active' && powerState === 1).map((instance) => [instance.id, instance]));
    const simulated = new Set((await view.db.selectFrom('hosts').select(['hostname', 'facts_json']).execute())
      .filter(({ facts_json: facts }) => (JSON.parse(facts) as { simulated?: boolean }).simulated).map(({ hostname }) => hostname));
    return ports.filter(({ instanceId, status, hostname }) => running.has(instanceId) && status !== 'ACTIVE' && !simulated.has(hostname)).map(({ portId, instanceId, status, hostname }) => ({
      key: portId, sentence: `Port ${portId} of the running instance ${instanceId} on ${hostname} is ${status}.`,
    }));
  },
  async repair(_violation, { bus }) {
    await bus.client(networkAuditContract).reconcile({});
    return 'the network service compares everything';
  },
};
