import type { ConnectionOptions } from 'node:tls';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { badRequest, errorMessage, forbidden, newUuid, unavailable, withLogFields, type Logger } from '@virga/core';
import type { Bus, ServeOptions, Served, Target, TopicHandler } from './bus';
import { makeClient, PendingCalls, type Sender } from './client';
import type { Client, Contract, Handlers, MessageMeta } from './contract';
import { logFields, trailHeaders, trailOf } from './log-trail';
import { RabbitConsumer, type ConsumerOptions } from './rabbit-consumer';
import { RabbitLink } from './rabbit-link';
import { RabbitPublisher } from './rabbit-publisher';
import { RabbitTopics } from './rabbit-topics';
import {
  AGENT_EXCHANGE, agentUser, CALL_QUEUE_OPTIONS, callQueue, CAST_QUEUE_OPTIONS, castQueue, DEAD_LIMIT, DEAD_QUEUE, DIRECT_REPLY, isAgentUser, RETRY,
  RETRY_DELAY_MS, TOPIC_EXCHANGE,
} from './topology';
import { answerCall, decodeInput, encode, encodeReply } from './wire';

export interface RabbitBusOptions {
  /** amqp://user:password@host:port/vhost, or amqps: */
  url: string;
  /** How an amqps URL is connected to: by whom the broker must be vouched for, and what we show it. */
  tls?: () => ConnectionOptions;
  logger: Logger;
  /** Only checked: the user of the URL is the sender, and the broker vouches for it. */
  sender?: string;
  /** How long the first connect may take, ms. */
  patienceMs?: number;
  /** Deliveries of one message before it becomes a dead letter. */
  maxAttempts?: number;
}

/** A call that reaches its server this short a time before its caller gives up is not worth beginning, ms. */
const TOO_LATE_MS = 50;
/** For how long the caller waits, ms. */
const PATIENCE = 'virga-patience';
const REPLY_QUEUE = /^reply\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The bus of a cloud. Topology and permissions: `topology.ts`; delivery rules: docs/adr/0006. */
export class RabbitBus implements Bus {
  /** Since the start; read by the metrics page. */
  readonly counters = { calls: 0, casts: 0, handled: 0, failed: 0, retried: 0, dead: 0, strayReplies: 0, reconnects: 0 };
  private readonly link: RabbitLink;
  private readonly publisher: RabbitPublisher;
  private readonly calls = new PendingCalls();
  private readonly consumers = new Set<RabbitConsumer>();
  private readonly served = new Set<Served>();
  private readonly topics: RabbitTopics;
  private readonly reconnectListeners: (() => void)[] = [];
  /** Cast queues that this connection has declared. */
  private readonly declared = new Map<string, Promise<void>>();
  private readonly user: string;
  private readonly maxAttempts: number;
  private readonly isAgent: boolean;
  private connection: ChannelModel | undefined;
  private everConnected = false;
  private closed = false;

  /** Connects and declares what every process uses. Throws `unavailable` when the broker cannot be used. */
  static async connect(options: RabbitBusOptions): Promise<RabbitBus> {
    const bus = new RabbitBus(options);
    await bus.link.start(options.patienceMs ?? 30_000);
    return bus;
  }

  private constructor(private readonly options: RabbitBusOptions) {
    this.user = decodeURIComponent(new URL(options.url).username);
    if (options.sender !== undefined && options.sender !== this.user) {
      throw badRequest(`The broker's URL is that of ${this.user}, not of ${options.sender}.`);
    }
    if (new URL(options.url).protocol === 'amqps:' && !options.tls) throw badRequest('The broker is to be reached by TLS, and nothing says whom to trust.');
    this.isAgent = isAgentUser(this.user);
    this.maxAttempts = options.maxAttempts ?? 10;
    this.topics = new RabbitTopics(options.logger);
    this.publisher = new RabbitPublisher({
      user: this.user,
      ownReplyQueue: !this.isAgent,
      logger: options.logger,
      onReply: (id, body, sender) => { if (!this.calls.answer(id, body, sender)) this.counters.strayReplies++; },
      onLost: (error) => this.calls.failAll(error),
    });
    this.link = new RabbitLink({
      url: options.url,
      ...(options.tls && { tls: options.tls }),
      logger: options.logger,
      name: this.user,
      setup: (connection) => this.setup(connection),
      lost: () => this.lost(),
    });
  }

  get connected(): boolean {
    return this.connection !== undefined;
  }

  client<C extends Contract>(contract: C, target: Target = {}): Client<C> {
    const sender: Sender = {
      call: (_contract, method, body, timeoutMs) => this.call(contract, method, body, timeoutMs, target),
      cast: (_contract, method, body, messageId) => this.cast(contract, method, body, messageId ?? newUuid(), target),
    };
    return makeClient(contract, sender, target);
  }

  async serve<C extends Contract>(contract: C, handlers: Handlers<C>, options: ServeOptions = {}): Promise<Served> {
    const untyped = handlers as Handlers<Contract>;
    const kinds = new Set(Object.values(contract.methods).map((spec) => spec.kind));
    const consumers = [...kinds].map((kind) => new RabbitConsumer(
      kind === 'call' ? this.callConsumer(contract, untyped, options) : this.castConsumer(contract, untyped, options),
    ));
    for (const consumer of consumers) {
      this.consumers.add(consumer);
      await this.openNow(consumer);
    }
    const served: Served = {
      stop: async () => {
        this.served.delete(served);
        await Promise.all(consumers.map(async (consumer) => { await consumer.stop(); this.consumers.delete(consumer); }));
      },
    };
    this.served.add(served);
    return served;
  }

  async prepare(contract: Contract, { hostId }: Target = {}): Promise<void> {
    if (this.isAgent) throw forbidden('An agent makes no queue of commands.');
    await this.declareCastQueue(castQueue(contract, hostId));
  }

  async publish(topic: string, payload: unknown): Promise<void> {
    if (this.isAgent) throw forbidden('An agent may not publish.');
    await this.publisher.publish(TOPIC_EXCHANGE, checkedTopic(topic), encode(payload), {});
  }

  async subscribe(topic: string, handler: TopicHandler): Promise<void> {
    if (this.isAgent) throw forbidden('An agent may not listen.');
    await this.topics.subscribe(checkedTopic(topic), handler);
  }

  /** How many messages lie in the dead-letter queue. */
  async deadLetters(): Promise<number> {
    if (!this.connection) throw unavailable('The message broker is out of reach.');
    const channel = await this.connection.createChannel();
    channel.on('error', () => undefined);
    try {
      return (await channel.checkQueue(DEAD_QUEUE)).messageCount;
    } finally {
      await channel.close().catch(() => undefined);
    }
  }

  onReconnect(listener: () => void): void {
    this.reconnectListeners.push(listener);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await Promise.all([...this.served].map((served) => served.stop()));
    this.connection = undefined;
    await this.link.close();
    this.publisher.lost(unavailable('The bus was closed.'));
  }

  private async setup(connection: ChannelModel): Promise<void> {
    this.declared.clear();
    if (!this.isAgent) await declareTopology(connection);
    await this.publisher.open(connection);
    if (!this.isAgent) await this.topics.open(connection);
    for (const consumer of this.consumers) await consumer.open(connection);
    this.connection = connection;
    if (this.everConnected) {
      this.counters.reconnects++;
      this.options.logger.info('broker connection is back');
      for (const listener of this.reconnectListeners) listener();
    }
    this.everConnected = true;
  }

  /** Without a connection, or when it breaks under way, the consumer is opened with the next one. */
  private async openNow(consumer: RabbitConsumer): Promise<void> {
    const connection = this.connection;
    if (!connection) return;
    try {
      await consumer.open(connection);
    } catch (error) {
      if (this.connection !== connection) return;
      this.consumers.delete(consumer);
      throw unavailable(`The message broker refused a queue: ${errorMessage(error)}`, { cause: error });
    }
  }

  private lost(): void {
    this.connection = undefined;
    this.topics.lost();
    for (const consumer of this.consumers) consumer.lost();
    this.publisher.lost(unavailable('The connection to the message broker was lost.'));
  }

  private async call(contract: Contract, method: string, body: Buffer, timeoutMs: number, target: Target): Promise<Buffer> {
    const exchange = this.exchangeOf(contract);
    this.counters.calls++;
    const id = newUuid();
    const toHost = target.hostId !== undefined;
    const key = callQueue(contract, target.hostId);
    const answer = this.calls.wait(id, `${contract.name}.${method}`, timeoutMs, toHost ? agentUser(target.hostId!) : undefined);
    this.publisher.publish(exchange, key, body, {
      mandatory: true, correlationId: id, messageId: id, type: method, expiration: Math.max(timeoutMs - TOO_LATE_MS, 1),
      // An agent may not write to the default exchange, where direct reply-to lives.
      replyTo: toHost ? this.publisher.replyQueue : DIRECT_REPLY,
      headers: { [PATIENCE]: timeoutMs, ...trailHeaders() },
    }).catch((error) => this.calls.fail(id, error));
    return answer;
  }

  private async cast(contract: Contract, method: string, body: Buffer, messageId: string, target: Target): Promise<void> {
    const exchange = this.exchangeOf(contract);
    this.counters.casts++;
    const queue = castQueue(contract, target.hostId);
    if (!this.isAgent) await this.declareCastQueue(queue);
    await this.publisher.publish(exchange, queue, body, { mandatory: true, persistent: true, messageId, type: method, headers: trailHeaders() });
  }

  private exchangeOf(contract: Contract): string {
    if (contract.audience === 'agents') return AGENT_EXCHANGE;
    if (this.isAgent) throw forbidden(`${this.user} may not reach ${contract.name}.`);
    return '';
  }

  private declareCastQueue(queue: string): Promise<void> {
    let done = this.declared.get(queue);
    if (!done) {
      done = this.declare(async (channel) => { await channel.assertQueue(queue, CAST_QUEUE_OPTIONS); });
      done.catch(() => this.declared.delete(queue));
      this.declared.set(queue, done);
    }
    return done;
  }

  private async declare(work: (channel: Channel) => Promise<void>): Promise<void> {
    if (!this.connection) throw unavailable('The message broker is out of reach.');
    try {
      await withChannel(this.connection, work);
    } catch (error) {
      throw unavailable(`The message broker refused a queue: ${errorMessage(error)}`, { cause: error });
    }
  }

  private callConsumer(contract: Contract, handlers: Handlers<Contract>, options: ServeOptions): ConsumerOptions {
    const queue = callQueue(contract, options.hostId);
    return {
      queue,
      concurrency: options.concurrency ?? 16,
      logger: this.options.logger,
      mayBeAbsent: false,
      declare: async (channel) => {
        await channel.assertQueue(queue, CALL_QUEUE_OPTIONS);
        if (contract.audience === 'agents') await channel.bindQueue(queue, AGENT_EXCHANGE, queue);
      },
      handle: async (message) => {
        const { properties } = message;
        const reply = await answerCall(contract, handlers, String(properties.type), message.content, metaOf(message, 1), this.options.logger);
        this.counters[('ok' in reply) ? 'handled' : 'failed']++;
        this.sendReply(String(properties.replyTo), encodeReply(reply), String(properties.correlationId));
        return 'done';
      },
    };
  }

  /** `replyTo` comes from the caller: any other name would make us write, in our name, to a queue of its choice. */
  private sendReply(replyTo: string, body: Buffer, correlationId: string): void {
    if (replyTo.startsWith(`${DIRECT_REPLY}.`)) this.publisher.reply('', replyTo, body, correlationId);
    else if (REPLY_QUEUE.test(replyTo)) this.publisher.reply(AGENT_EXCHANGE, replyTo, body, correlationId);
    else this.options.logger.warn({ replyTo: replyTo.slice(0, 64) }, 'a call names no reply queue: not answered');
  }

  private castConsumer(contract: Contract, handlers: Handlers<Contract>, options: ServeOptions): ConsumerOptions {
    const queue = castQueue(contract, options.hostId);
    return {
      queue,
      concurrency: options.concurrency ?? 16,
      logger: this.options.logger,
      mayBeAbsent: this.isAgent,
      declare: async (channel) => {
        if (this.isAgent) return;
        await channel.assertQueue(queue, CAST_QUEUE_OPTIONS);
        if (contract.audience === 'agents') await channel.bindQueue(queue, AGENT_EXCHANGE, queue);
      },
      handle: (message) => this.handleCast(contract, handlers, queue, message),
    };
  }

  private async handleCast(contract: Contract, handlers: Handlers<Contract>, queue: string, message: ConsumeMessage): Promise<'done' | 'retry'> {
    const attempt = attemptOf(message, queue);
    const meta = metaOf(message, attempt);
    const method = String(message.properties.type);
    // Its server was lost. It rests first, which counts: a message that kills every server must end, too.
    if (message.fields.redelivered && attempt < this.maxAttempts) {
      this.counters.retried++;
      return 'retry';
    }
    let input: unknown;
    try {
      if (message.fields.redelivered) throw unavailable('Each of its servers was lost while it worked on the message.');
      if (meta.sender === '') throw forbidden('The message does not say who sent it.');
      input = decodeInput(contract, method, 'cast', message.content);
    } catch (error) {
      return this.bury(queue, message, errorMessage(error));
    }
    try {
      await withLogFields(logFields(meta), () => handlers[method]!(input, meta));
      this.counters.handled++;
      return 'done';
    } catch (error) {
      this.options.logger.warn({ err: error, queue, method, attempt, messageId: meta.messageId }, 'message failed');
      this.counters.failed++;
      if (attempt >= this.maxAttempts) return this.bury(queue, message, errorMessage(error));
      this.counters.retried++;
      return 'retry';
    }
  }

  /** Moves a message to the dead letters, with its reason; only then is it taken from its queue. */
  private async bury(queue: string, message: ConsumeMessage, reason: string): Promise<'done'> {
    const { type, messageId, userId } = message.properties;
    this.options.logger.error({ queue, method: type as unknown, messageId: messageId as unknown, sender: userId as unknown, reason }, 'message is dead');
    await this.publisher.publish(this.isAgent ? AGENT_EXCHANGE : '', DEAD_QUEUE, message.content, {
      mandatory: true, persistent: true, type: String(type), messageId: String(messageId),
      headers: { 'virga-queue': queue, 'virga-sender': String(userId), 'virga-reason': reason.slice(0, 500), 'virga-dead-at': new Date().toISOString() },
    });
    this.counters.dead++;
    return 'done';
  }
}

/** What every service declares with the same words; agents may not. */
async function declareTopology(connection: ChannelModel): Promise<void> {
  await withChannel(connection, async (channel) => {
    await channel.assertExchange(AGENT_EXCHANGE, 'direct', { durable: true });
    await channel.assertExchange(TOPIC_EXCHANGE, 'topic', { durable: true });
    // A failed message is dead-lettered by its queue into the retry queue and, its time over, back by its own routing key.
    await channel.assertExchange(RETRY, 'fanout', { durable: true });
    await channel.assertQueue(RETRY, { durable: true, arguments: { 'x-message-ttl': RETRY_DELAY_MS, 'x-dead-letter-exchange': '' } });
    await channel.bindQueue(RETRY, RETRY, '');
    await channel.assertQueue(DEAD_QUEUE, { durable: true, arguments: { 'x-max-length': DEAD_LIMIT } });
    await channel.bindQueue(DEAD_QUEUE, AGENT_EXCHANGE, DEAD_QUEUE);
  });
}

async function withChannel(connection: ChannelModel, work: (channel: Channel) => Promise<void>): Promise<void> {
  const channel = await connection.createChannel();
  channel.on('error', () => { /* the rejected request says it */ });
  const ended = new Promise<never>((_resolve, reject) => { channel.once('close', () => { setImmediate(() => reject(new Error('The channel ended.'))); }); });
  ended.catch(() => undefined);
  await Promise.race([work(channel), ended]);
  channel.close().catch(() => undefined);
}

/** Which delivery of the message this is, from 1; the broker counts the returns from the retry queue. */
function attemptOf(message: ConsumeMessage, queue: string): number {
  const headers = message.properties.headers ?? {};
  const deaths = Array.isArray(headers['x-death']) ? headers['x-death'] : [];
  const rejected = deaths.filter((death) => death.queue === queue && death.reason === 'rejected').reduce((sum, death) => sum + Number(death.count), 0);
  return 1 + rejected;
}

function metaOf(message: ConsumeMessage, attempt: number): MessageMeta {
  const { properties, fields } = message;
  const headers = properties.headers ?? {};
  const patience: unknown = headers[PATIENCE];
  return {
    messageId: String(properties.messageId ?? ''),
    sender: String(properties.userId ?? ''),
    redelivered: fields.redelivered || attempt > 1,
    ...(typeof patience === 'number' && { deadline: Date.now() + patience }),
    ...trailOf(headers),
  };
}

function checkedTopic(topic: string): string {
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(topic)) throw badRequest('A topic consists of letters, digits, dots, dashes and underscores.');
  return topic;
}
