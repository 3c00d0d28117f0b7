import type { ChannelModel, ConfirmChannel, Options } from 'amqplib';
import { CloudError, newUuid, timedOut, unavailable, type Logger } from '@virga/core';
import { AGENT_EXCHANGE, DIRECT_REPLY } from './topology';

/** How long the broker may take to confirm; it stops confirming while it is out of memory or disk. */
const CONFIRM_TIMEOUT_MS = 15_000;

interface Unconfirmed {
  resolve: () => void;
  reject: (error: CloudError) => void;
  timer: NodeJS.Timeout;
}

export interface PublisherOptions {
  user: string;
  /** Agents may not make queues: they get answers by direct reply-to only. */
  ownReplyQueue: boolean;
  logger: Logger;
  /** A reply to a call: correlation id, body, verified sender. */
  onReply: (id: string, body: Buffer, sender: string) => void;
  /** The channel was lost, and with it the replies that were under way. */
  onLost: (error: CloudError) => void;
}

/** The one channel on which a process publishes, with confirms, and gets replies. */
export class RabbitPublisher {
  private channel: ConfirmChannel | undefined;
  private readonly unconfirmed = new Map<string, Unconfirmed>();
  /** `replyTo` of calls whose server may not write to the default exchange. */
  replyQueue = '';

  constructor(private readonly options: PublisherOptions) {}

  async open(connection: ChannelModel): Promise<void> {
    const channel = await connection.createConfirmChannel();
    let failure: CloudError | undefined;
    channel.on('error', (error: Error & { code?: number }) => {
      this.options.logger.warn({ err: error }, 'publishing channel failed');
      if (error.code === 403) failure = new CloudError('forbidden', 'The message broker refused the message: not allowed.', { cause: error });
    });
    channel.on('close', () => {
      if (this.channel !== channel) return;
      this.lost(failure ?? unavailable('The connection to the message broker was lost.'));
      // A refused message closes the channel but not the connection: others go on.
      this.open(connection).catch((error: unknown) => this.options.logger.debug({ err: error }, 'publishing channel stays closed until the next connection'));
    });
    channel.on('return', ({ properties, fields }) => {
      this.settle(String(properties.correlationId))?.reject(unavailable(`Nobody serves ${fields.routingKey} at the moment.`));
    });
    await channel.consume(DIRECT_REPLY, (message) => {
      if (message) this.options.onReply(String(message.properties.correlationId), message.content, String(message.properties.userId ?? ''));
    }, { noAck: true });
    if (this.options.ownReplyQueue) {
      // A new name each time: after a cut the broker may still hold the old connection's exclusive queue.
      const { queue } = await channel.assertQueue(`reply.${newUuid()}`, { exclusive: true, autoDelete: true, durable: false });
      await channel.bindQueue(queue, AGENT_EXCHANGE, queue);
      await channel.consume(queue, (message) => {
        if (message) this.options.onReply(String(message.properties.correlationId), message.content, String(message.properties.userId ?? ''));
      }, { noAck: true });
      this.replyQueue = queue;
    }
    this.channel = channel;
  }

  /** Resolves when the broker has the message in every queue it belongs to; `mandatory` ones are refused when there is none. */
  publish(exchange: string, key: string, body: Buffer, options: Options.Publish & { correlationId?: string }): Promise<void> {
    const channel = this.channel;
    const id = options.correlationId ?? newUuid();
    return new Promise((resolve, reject) => {
      if (!channel) return reject(unavailable('The message broker is out of reach.'));
      const timer = setTimeout(() => this.settle(id)?.reject(timedOut('The message broker did not confirm the message.')), CONFIRM_TIMEOUT_MS);
      this.unconfirmed.set(id, { resolve, reject, timer });
      try {
        channel.publish(exchange, key, body, { ...options, correlationId: id, userId: this.options.user, contentType: 'application/json' }, (error: unknown) => {
          if (error) this.settle(id)?.reject(unavailable('The message broker did not take the message.', { cause: error }));
          else this.settle(id)?.resolve();
        });
      } catch (error) {
        this.settle(id)?.reject(unavailable('The message broker is out of reach.', { cause: error }));
      }
    });
  }

  /** A reply needs no confirm: a caller that does not get it has its own timeout. */
  reply(exchange: string, key: string, body: Buffer, correlationId: string): void {
    try {
      this.channel?.publish(exchange, key, body, { correlationId, userId: this.options.user, contentType: 'application/json' });
    } catch (error) {
      this.options.logger.debug({ err: error }, 'reply was not sent');
    }
  }

  /** Fails everything that is under way. */
  lost(error: CloudError): void {
    this.channel = undefined;
    for (const id of [...this.unconfirmed.keys()]) this.settle(id)!.reject(error);
    this.options.onLost(error);
  }

  private settle(id: string): Unconfirmed | undefined {
    const entry = this.unconfirmed.get(id);
    if (entry) clearTimeout(entry.timer);
    this.unconfirmed.delete(id);
    return entry;
  }
}
