import { busContractTests } from './bus.contract-tests';
import { MemoryBroker } from './memory-bus';

describe('memory bus', () => {
  busContractTests(async () => {
    const broker = new MemoryBroker({ retryDelayMs: 5, maxAttempts: 3 });
    return {
      connect: async (sender) => broker.connect(sender),
      hostIds: ['host-a', 'host-b'],
      deadOf: async (queue) => broker.dead.filter((letter) => letter.queue === queue).map(({ method, reason }) => ({ method, reason })),
      maxAttempts: 3,
    };
  });
});
