import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { errorMessage, systemClock, type Logger } from '@virga/core';

const REOPEN_MS = 1000;

export interface ConsumerOptions {
  queue: string;
  concurrency: number;
  logger: Logger;
  /** Declares the queue and what it is bound to. */
  declare: (channel: Channel) => Promise<void>;
  /** True when the queue is made by others: its absence is waited out. */
  mayBeAbsent: boolean;
  /** Says what becomes of the message: `done` removes it, `retry` sends it to rest and come back, `requeue` gives it back as it is. */
  handle: (message: ConsumeMessage) => Promise<'done' | 'retry' | 'requeue'>;
}

/** Takes messages from one queue on a channel of its own; comes back after the channel or the connection was lost. */
export class RabbitConsumer {
  private channel: Channel | undefined;
  private tag = '';
  private stopping = false;
  private readonly working = new Set<Promise<void>>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: ConsumerOptions) {}

  /** Rejects when the broker refuses the queue; an absent one that others make is looked for again. */
  async open(connection: ChannelModel): Promise<void> {
    if (this.stopping) return;
    const { queue, logger } = this.options;
    const channel = await connection.createChannel();
    let absent = false;
    channel.on('error', (error: Error & { code?: number }) => {
      absent = error.code === 404 && this.options.mayBeAbsent;
      if (!absent) logger.warn({ err: error, queue }, 'consumer failed');
    });
    channel.on('close', () => {
      if (this.channel === channel) this.reopenLater(connection);
    });
    try {
      await channel.prefetch(this.options.concurrency);
      await this.options.declare(channel);
      const { consumerTag } = await channel.consume(queue, (message) => {
        if (message) this.take(channel, message);
        // The broker took the consumer away, e.g. because the queue was deleted.
        else channel.close().catch(() => undefined);
      });
      this.tag = consumerTag;
      this.channel = channel;
    } catch (error) {
      if (!absent) throw error;
      this.reopenLater(connection);
    }
  }

  /** The connection is gone, and with it the channel; what is in work goes on, its acknowledgement is void. */
  lost(): void {
    this.channel = undefined;
    clearTimeout(this.timer);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    const channel = this.channel;
    await channel?.cancel(this.tag).catch(() => undefined);
    await Promise.allSettled(this.working);
    this.channel = undefined;
    if (!channel) return;
    // A channel whose connection ends meanwhile gets no answer, only this event.
    const closed = new Promise<void>((resolve) => { channel.once('close', () => resolve()); });
    await Promise.race([channel.close().catch(() => undefined), closed]);
  }

  private reopenLater(connection: ChannelModel): void {
    this.channel = undefined;
    if (this.stopping) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.open(connection).catch((error: unknown) => {
        this.options.logger.warn({ err: error, queue: this.options.queue }, 'consumer is not back yet');
        if (!/closed/i.test(errorMessage(error))) this.reopenLater(connection);
      });
    }, REOPEN_MS);
    this.timer.unref();
  }

  private take(channel: Channel, message: ConsumeMessage): void {
    const work = this.finish(channel, message);
    this.working.add(work);
    void work.finally(() => this.working.delete(work));
  }

  private async finish(channel: Channel, message: ConsumeMessage): Promise<void> {
    let outcome: 'done' | 'retry' | 'requeue';
    try {
      outcome = await this.options.handle(message);
    } catch (error) {
      this.options.logger.error({ err: error, queue: this.options.queue }, 'message could not be judged');
      outcome = 'requeue';
    }
    if (outcome === 'requeue') await systemClock.sleep(REOPEN_MS);
    try {
      if (outcome === 'done') channel.ack(message);
      else channel.nack(message, false, outcome === 'requeue');
    } catch {
      // The channel is gone: the broker delivers the message again.
    }
  }
}
