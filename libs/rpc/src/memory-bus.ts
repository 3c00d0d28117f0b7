import { errorMessage, forbidden, newUuid, silentLogger, unavailable, withLogFields, type Logger } from '@virga/core';
import type { Bus, ServeOptions, Served, Target, TopicHandler } from './bus';
import { makeClient, PendingCalls } from './client';
import type { Client, Contract, Handlers, MessageMeta } from './contract';
import { agentUser, callQueue, castQueue, isAgentUser } from './topology';
import { currentTrail, logFields } from './log-trail';
import { answerCall, decodeInput, decodeJson, encode, encodeReply } from './wire';

interface Message {
  method: string;
  body: Buffer;
  meta: MessageMeta;
  attempts: number;
  /** Of a call: for how long its caller waits, ms. */
  patienceMs?: number;
  expired: () => boolean;
  reply: ((body: Buffer) => void) | undefined;
}

interface Consumer { free: number; take: (message: Message) => Promise<void> }

export interface DeadLetter { queue: string; method: string; reason: string; body: unknown }

export interface MemoryBrokerOptions {
  logger?: Logger;
  retryDelayMs?: number;
  maxAttempts?: number;
}

class MemoryQueue {
  readonly waiting: Message[] = [];
  readonly consumers: Consumer[] = [];

  push(message: Message): void {
    this.waiting.push(message);
    this.pump();
  }

  /** Hands out what waits, in a later turn of the event loop as a broker would. */
  pump(): void {
    setImmediate(() => {
      for (;;) {
        const consumer = this.consumers.find((candidate) => candidate.free > 0);
        const message = consumer && this.waiting.shift();
        if (!consumer || !message) return;
        if (message.expired()) continue;
        this.consumers.push(...this.consumers.splice(this.consumers.indexOf(consumer), 1));
        consumer.free--;
        void consumer.take(message).finally(() => { consumer.free++; this.pump(); });
      }
    });
  }
}

/**
 * The bus of one process: same contracts, checks and delivery rules as over RabbitMQ, but nothing outlives the process.
 * Several senders (a service, agents) may be connected, so that tests can play each part.
 */
export class MemoryBroker {
  private readonly queues = new Map<string, MemoryQueue>();
  private readonly topics = new Map<string, Set<TopicHandler>>();
  /** Messages that could not be handled, oldest first. */
  readonly dead: DeadLetter[] = [];
  readonly logger: Logger;
  readonly retryDelayMs: number;
  readonly maxAttempts: number;

  constructor(options: MemoryBrokerOptions = {}) {
    this.logger = options.logger ?? silentLogger;
    this.retryDelayMs = options.retryDelayMs ?? 1000;
    this.maxAttempts = options.maxAttempts ?? 10;
  }

  /** Forgets what nobody has taken yet, as if the broker had been made anew. */
  purge(): void {
    for (const { waiting } of this.queues.values()) waiting.length = 0;
  }

  /** A bus that sends as `sender`, e.g. `conductor` or `agent-<host id>`. */
  connect(sender: string): MemoryBus {
    return new MemoryBus(this, sender);
  }

  queue(name: string): MemoryQueue {
    let queue = this.queues.get(name);
    if (!queue) this.queues.set(name, (queue = new MemoryQueue()));
    return queue;
  }

  listeners(topic: string): Set<TopicHandler> {
    let listeners = this.topics.get(topic);
    if (!listeners) this.topics.set(topic, (listeners = new Set()));
    return listeners;
  }
}

export class MemoryBus implements Bus {
  private readonly calls = new PendingCalls();
  private readonly served = new Set<Served>();
  private readonly subscriptions: { topic: string; handler: TopicHandler }[] = [];
  private open = true;

  constructor(private readonly broker: MemoryBroker = new MemoryBroker(), private readonly sender = 'memory') {}

  get connected(): boolean {
    return this.open;
  }

  client<C extends Contract>(contract: C, target: Target = {}): Client<C> {
    return makeClient(contract, {
      call: (_contract, method, body, timeoutMs) => {
        this.checkMaySend(contract);
        const queue = this.broker.queue(callQueue(contract, target.hostId));
        if (queue.consumers.length === 0) throw unavailable(`${contract.name} is not served at the moment.`);
        const messageId = newUuid();
        const from = target.hostId === undefined ? undefined : agentUser(target.hostId);
        const answer = this.calls.wait(messageId, `${contract.name}.${method}`, timeoutMs, from);
        const deadline = Date.now() + timeoutMs;
        queue.push({
          method, body, attempts: 1, meta: this.meta(messageId), patienceMs: timeoutMs, expired: () => Date.now() >= deadline,
          reply: (reply) => this.calls.answer(messageId, reply, from),
        });
        return answer;
      },
      cast: async (_contract, method, body, messageId) => {
        this.checkMaySend(contract);
        this.broker.queue(castQueue(contract, target.hostId)).push({
          method, body, attempts: 1, meta: this.meta(messageId ?? newUuid()), expired: () => false, reply: undefined,
        });
      },
    }, target);
  }

  async serve<C extends Contract>(contract: C, handlers: Handlers<C>, options: ServeOptions = {}): Promise<Served> {
    const working = new Set<Promise<void>>();
    const names = new Set(Object.values(contract.methods).map((spec) => (spec.kind === 'call' ? callQueue : castQueue)(contract, options.hostId)));
    const attached = [...names].map((name) => {
      const queue = this.broker.queue(name);
      const consumer: Consumer = {
        free: options.concurrency ?? 16,
        take: (message) => {
          const work = message.reply
            ? this.answer(contract, handlers as Handlers<Contract>, message)
            : this.handle(contract, handlers as Handlers<Contract>, name, message);
          working.add(work);
          return work.finally(() => working.delete(work));
        },
      };
      queue.consumers.push(consumer);
      queue.pump();
      return { queue, consumer };
    });
    const served: Served = {
      stop: async () => {
        this.served.delete(served);
        for (const { queue, consumer } of attached) {
          const index = queue.consumers.indexOf(consumer);
          if (index >= 0) queue.consumers.splice(index, 1);
        }
        await Promise.allSettled(working);
      },
    };
    this.served.add(served);
    return served;
  }

  async prepare(): Promise<void> { /* queues are there when they are named */ }

  async publish(topic: string, payload: unknown): Promise<void> {
    if (isAgentUser(this.sender)) throw forbidden('An agent may not publish.');
    const body = encode(payload);
    for (const handler of this.broker.listeners(topic)) {
      setImmediate(() => {
        try {
          handler(decodeJson(body));
        } catch (error) {
          this.broker.logger.error({ err: error, topic }, 'listener failed');
        }
      });
    }
  }

  async subscribe(topic: string, handler: TopicHandler): Promise<void> {
    if (isAgentUser(this.sender)) throw forbidden('An agent may not listen.');
    this.broker.listeners(topic).add(handler);
    this.subscriptions.push({ topic, handler });
  }

  onReconnect(): void { /* memory is never out of reach */ }

  async close(): Promise<void> {
    await Promise.all([...this.served].map((served) => served.stop()));
    for (const { topic, handler } of this.subscriptions) this.broker.listeners(topic).delete(handler);
    this.open = false;
    this.calls.failAll(unavailable('The bus was closed.'));
  }

  private checkMaySend(contract: Contract): void {
    if (!this.open) throw unavailable('The bus is closed.');
    if (isAgentUser(this.sender) && contract.audience !== 'agents') throw forbidden(`${this.sender} may not reach ${contract.name}.`);
  }

  private meta(messageId: string): MessageMeta {
    return { messageId, sender: this.sender, redelivered: false, ...currentTrail() };
  }

  private async answer(contract: Contract, handlers: Handlers<Contract>, message: Message): Promise<void> {
    const reply = encodeReply(await answerCall(contract, handlers, message.method, message.body, { ...message.meta, deadline: Date.now() + message.patienceMs! }, this.broker.logger));
    setImmediate(() => message.reply!(reply));
  }

  private async handle(contract: Contract, handlers: Handlers<Contract>, queue: string, message: Message): Promise<void> {
    const bury = (error: unknown): void => {
      this.broker.dead.push({ queue, method: message.method, reason: errorMessage(error), body: JSON.parse(message.body.toString()) as unknown });
    };
    let input: unknown;
    try {
      input = decodeInput(contract, message.method, 'cast', message.body);
    } catch (error) {
      return bury(error);
    }
    try {
      const meta = { ...message.meta, redelivered: message.attempts > 1 };
      await withLogFields(logFields(meta), () => handlers[message.method]!(input, meta));
    } catch (error) {
      this.broker.logger.warn({ err: error, queue, method: message.method, attempt: message.attempts }, 'message failed');
      if (message.attempts >= this.broker.maxAttempts) return bury(error);
      setTimeout(() => this.broker.queue(queue).push({ ...message, attempts: message.attempts + 1 }), this.broker.retryDelayMs).unref();
    }
  }
}
