import { conductorContract, hostAgentContract, type HostCommand } from '@virga/contracts';
import type { Kysely, OutboxMessage } from '@virga/db';
import type { Bus } from '@virga/rpc';
import type { ComputeDb } from '../db/schema';
import { COMMAND_TOPIC, WAKE_TOPIC } from './start-operation';

/** Sends what lies in the outbox: wake-ups to the conductor, commands to their hosts. */
export function outboxPublisher(db: Kysely<ComputeDb>, bus: Bus): (message: OutboxMessage) => Promise<void> {
  const conductor = bus.client(conductorContract);
  const send: Record<string, (message: OutboxMessage) => Promise<void>> = {
    [WAKE_TOPIC]: ({ id, payload }) => conductor.wake(payload as { operationId: string }, { messageId: id }),
    [COMMAND_TOPIC]: async ({ id, target, payload }) => {
      // A command that nobody waits for any more must not start something on a host that comes back later; what takes
      // away is sent all the same.
      const command = payload as HostCommand;
      const row = await db.selectFrom('commands').select('state').where('id', '=', id).executeTakeFirst();
      if (row?.state !== 'sent' && command.verb !== 'destroy') return;
      await bus.client(hostAgentContract, { hostId: target! }).execute(command, { messageId: id });
    },
  };
  return (message) => {
    const sender = send[message.topic];
    if (!sender) throw new Error(`No sender for outbox topic ${message.topic}.`);
    return sender(message);
  };
}
