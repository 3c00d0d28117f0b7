import { hostAgentContract, imageContract, networkContract, placementContract } from '@virga/contracts';
import type { Bus } from '@virga/rpc';
import type { Neighbours } from './operations/workflow';

export const neighboursOn = (bus: Bus): Neighbours => ({
  placement: bus.client(placementContract), network: bus.client(networkContract), image: bus.client(imageContract),
  host: (hostId) => bus.client(hostAgentContract, { hostId }),
});
