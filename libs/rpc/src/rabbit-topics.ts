import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import type { Logger } from '@virga/core';
import type { TopicHandler } from './bus';
import { TOPIC_EXCHANGE } from './topology';
import { decodeJson } from './wire';

/** What this process listens to of what others tell everybody. Its queue is its own and lives as long as its channel: what is told meanwhile is missed. */
export class RabbitTopics {
  private readonly handlers = new Map<string, Set<TopicHandler>>();
  private channel: Channel | undefined;
  private queue = '';
  private opening: Promise<void> | undefined;

  constructor(private readonly logger: Logger) {}

  async subscribe(topic: string, handler: TopicHandler): Promise<void> {
    const handlers = this.handlers.get(topic);
    if (handlers) { handlers.add(handler); return; }
    this.handlers.set(topic, new Set([handler]));
    // While the connection is away this waits for nothing: the next one binds every topic.
    await this.opening;
    await this.channel?.bindQueue(this.queue, TOPIC_EXCHANGE, topic);
  }

  /** With each new connection. */
  open(connection: ChannelModel): Promise<void> {
    this.opening = this.openOn(connection);
    return this.opening;
  }

  /** The connection is gone. */
  lost(): void {
    this.channel = undefined;
    this.opening = undefined;
  }

  private async openOn(connection: ChannelModel): Promise<void> {
    const channel = await connection.createChannel();
    channel.on('error', (error) => this.logger.warn({ err: error }, 'topic channel failed'));
    channel.on('close', () => {
      if (this.channel !== channel) return;
      this.channel = undefined;
      this.opening = this.openOn(connection).catch((error: unknown) => this.logger.debug({ err: error }, 'topics are away until the next connection'));
    });
    const { queue } = await channel.assertQueue('', { exclusive: true, autoDelete: true, durable: false });
    for (const topic of this.handlers.keys()) await channel.bindQueue(queue, TOPIC_EXCHANGE, topic);
    await channel.consume(queue, (message) => { if (message) this.hear(message); }, { noAck: true });
    this.queue = queue;
    this.channel = channel;
  }

  private hear(message: ConsumeMessage): void {
    for (const handler of this.handlers.get(message.fields.routingKey) ?? []) {
      try {
        handler(decodeJson(message.content));
      } catch (error) {
        this.logger.error({ err: error, topic: message.fields.routingKey }, 'listener failed');
      }
    }
  }
}
