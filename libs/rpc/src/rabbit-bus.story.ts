import type { Socket } from 'node:net';
import amqp, { type Channel, type ChannelModel } from 'amqplib';
import { Type } from '@sinclair/typebox';
import { createLogger, newUuid } from '@virga/core';
import { startOwnRabbit, startRabbit, type TestRabbit } from '@virga/testing';
import { busContractTests } from './bus.contract-tests';
import { call, cast, defineContract } from './contract';
import { RabbitBus } from './rabbit-bus';
import { agentUser, DEAD_QUEUE, hostPermissions, RETRY_DELAY_MS, servicePermissions } from './topology';

const Text = Type.Object({ text: Type.String() });
const fresh = (audience: 'services' | 'agents' = 'services') =>
  defineContract(`test-${newUuid()}`, { echo: call(Text, Text, 5000), note: cast(Text) }, { audience });
const until = async (fact: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await fact())) await new Promise((resolve) => { setTimeout(resolve, 10); });
};

/** The network breaks: the bus learns of it by an error of its socket. */
const cut = (bus: RabbitBus): void => {
  const { link } = bus as unknown as { link: { connection: { connection: { stream: Socket } } } };
  link.connection.connection.stream.destroy(new Error('cut by the test'));
};

let rabbit: TestRabbit;
let raw: ChannelModel;
let channel: Channel;
const logger = createLogger('story', process.env['VIRGA_LOG_LEVEL'] ?? 'silent');
const hostA = newUuid();
const hostB = newUuid();
const dead = new Map<string, { method: string; reason: string }[]>();

beforeAll(async () => {
  rabbit = await startRabbit();
  await rabbit.addUsers({
    conductor: servicePermissions(), network: servicePermissions(), [agentUser(hostA)]: hostPermissions(hostA), [agentUser(hostB)]: hostPermissions(hostB),
  });
  raw = await amqp.connect(rabbit.url('conductor'), { noDelay: true });
  channel = await raw.createChannel();
  await (await RabbitBus.connect({ url: rabbit.url('conductor'), logger })).close();
  await channel.consume(DEAD_QUEUE, (message) => {
    const headers = message!.properties.headers!;
    const queue = String(headers['virga-queue']);
    dead.set(queue, [...(dead.get(queue) ?? []), { method: String(message!.properties.type), reason: String(headers['virga-reason']) }]);
  }, { noAck: true });
});
afterAll(async () => { await raw?.close(); });

describe('RabbitMQ bus', () => {
  busContractTests(async () => ({
    connect: (sender) => RabbitBus.connect({ url: rabbit.url(sender), logger, sender, maxAttempts: 3 }),
    hostIds: [hostA, hostB],
    deadOf: async (queue) => dead.get(queue) ?? [],
    maxAttempts: 3,
  }));

  describe('hostile messages', () => {
    let bus: RabbitBus;
    beforeAll(async () => { bus = await RabbitBus.connect({ url: rabbit.url('network'), logger }); });
    afterAll(() => bus.close());

    test('no JSON, too long, no sender: dead at once, and the good one behind is handled', async () => {
      const contract = fresh();
      const got: string[] = [];
      await bus.serve(contract, { echo: async (input) => input, note: async ({ text }) => { got.push(text); } }, { concurrency: 1 });
      const queue = `work.${contract.name}`;
      channel.sendToQueue(queue, Buffer.from('{"text"'), { type: 'note', userId: 'conductor' });
      channel.sendToQueue(queue, Buffer.alloc(1024 * 1024 + 1, 0x20), { type: 'note', userId: 'conductor' });
      channel.sendToQueue(queue, Buffer.from('{"text":"anonymous"}'), { type: 'note' });
      channel.sendToQueue(queue, Buffer.from('{"text":"good"}'), { type: 'note', userId: 'conductor' });
      await until(() => got.length === 1 && dead.get(queue)?.length === 3);
      expect(got).toEqual(['good']);
      expect(dead.get(queue)!.map(({ reason }) => reason)).toEqual([
        'The message is not JSON.', expect.stringContaining('1048577 bytes'), 'The message does not say who sent it.',
      ]);
      expect(bus.counters.dead).toBe(3);
    });

    test('a call without sender is refused; one that asks for an answer in a foreign queue gets none', async () => {
      const contract = fresh();
      let ran = 0;
      await bus.serve(contract, { echo: async (input) => { ran++; return input; }, note: async () => undefined });
      const { queue: mine } = await channel.assertQueue('', { exclusive: true });
      const answers: string[] = [];
      await channel.consume('amq.rabbitmq.reply-to', (message) => answers.push(message!.content.toString()), { noAck: true });
      channel.publish('', `rpc.${contract.name}`, Buffer.from('{"text":"x"}'), { type: 'echo', replyTo: 'amq.rabbitmq.reply-to', correlationId: '1' });
      await until(() => answers.length === 1);
      expect(JSON.parse(answers[0]!)).toMatchObject({ error: { kind: 'forbidden' } });
      expect(ran).toBe(0);
      channel.publish('', `rpc.${contract.name}`, Buffer.from('{"text":"x"}'), { type: 'echo', replyTo: mine, correlationId: '2', userId: 'conductor' });
      await until(() => ran === 1);
      const caller = await RabbitBus.connect({ url: rabbit.url('conductor'), logger });
      await caller.client(contract).echo({ text: 'later' });
      expect((await channel.checkQueue(mine)).messageCount).toBe(0);
      await caller.close();
    });

    test('a call whose time is over is not started', async () => {
      const contract = fresh();
      let ran = 0;
      await bus.serve(contract, { echo: async (input) => { ran++; return input; }, note: async () => undefined });
      const other = await raw.createChannel();
      const answers: string[] = [];
      await other.consume('amq.rabbitmq.reply-to', (message) => answers.push(message!.content.toString()), { noAck: true });
      other.publish('', `rpc.${contract.name}`, Buffer.from('{"text":"x"}'), {
        type: 'echo', replyTo: 'amq.rabbitmq.reply-to', correlationId: '1', userId: 'conductor', headers: { 'virga-patience': 0 },
      });
      await until(() => answers.length === 1);
      expect(JSON.parse(answers[0]!)).toMatchObject({ error: { kind: 'timeout' } });
      expect(ran).toBe(0);
    });

    test('nobody can send in the name of another', async () => {
      const agent = await amqp.connect(rabbit.url(`agent-${hostA}`));
      agent.on('error', () => undefined);
      const liar = await agent.createConfirmChannel();
      const failure = new Promise<Error>((resolve) => { liar.on('error', resolve); });
      liar.publish('virga.agent', 'rpc.agent-gateway', Buffer.from('{}'), { userId: `agent-${hostB}` });
      expect((await failure).message).toMatch(/PRECONDITION_FAILED|PRECONDITION-FAILED/);
      await agent.close();
    });
  });

  describe('what an agent may do at the broker', () => {
    let agent: ChannelModel;
    beforeAll(async () => {
      agent = await amqp.connect(rabbit.url(`agent-${hostA}`), { noDelay: true });
      agent.on('error', () => undefined);
      // Queues of the other host and of a service that really exist.
      const bus = await RabbitBus.connect({ url: rabbit.url('conductor'), logger });
      const contract = fresh();
      for (const hostId of [hostA, hostB]) await bus.client(contract, { hostId }).note({ text: '' });
      await bus.close();
      await channel.assertQueue('rpc.victim');
    });
    afterAll(() => agent.close());

    /** Runs on a channel of its own, since a refusal closes the channel; resolves to the broker's code or `allowed`. */
    const attempt = async (work: (own: Channel) => unknown): Promise<number | 'allowed'> => {
      const own = await agent.createChannel();
      const failed = new Promise<number>((resolve) => { own.on('error', (error: Error & { code: number }) => resolve(error.code)); });
      const done = (async () => {
        await work(own);
        // A publication is judged when the broker gets to it: this round trip comes after it.
        await own.prefetch(1);
        return 'allowed' as const;
      })();
      done.catch(() => undefined);
      return Promise.race([failed, done.catch(() => failed)]);
    };
    const message = Buffer.from('{}');

    test.each<[string, (own: Channel) => unknown]>([
      ['consume another host\'s commands', (own) => own.consume(`host.${hostB}`, () => undefined)],
      ['get from another host\'s commands', (own) => own.get(`host.${hostB}`)],
      ['purge another host\'s commands', (own) => own.purgeQueue(`host.${hostB}`)],
      ['declare another host\'s call queue', (own) => own.assertQueue(`host.${hostB}.rpc`, { durable: false, autoDelete: true })],
      ['declare or change its own command queue', (own) => own.assertQueue(`host.${hostA}`, { durable: true })],
      ['delete its own command queue', (own) => own.deleteQueue(`host.${hostA}`)],
      ['consume a service\'s calls', (own) => own.consume('rpc.victim', () => undefined)],
      ['consume dead letters', (own) => own.consume(DEAD_QUEUE, () => undefined)],
      ['make any queue', (own) => own.assertQueue('', { exclusive: true })],
      ['make an exchange', (own) => own.assertExchange('mine', 'fanout')],
      ['publish to another host', (own) => own.publish('', `host.${hostB}`, message)],
      ['publish to a service', (own) => own.publish('', 'rpc.victim', message)],
      ['publish to a service by amq.direct', (own) => own.publish('amq.direct', 'rpc.victim', message)],
      ['publish a topic', (own) => own.publish('virga.topic', 'identity.revocation', message)],
      ['publish to the retry queue, which leads anywhere', (own) => own.publish('virga.retry', `host.${hostB}`, message)],
      ['answer a foreign call by the default exchange', (own) => own.publish('', 'amq.rabbitmq.reply-to.x', message)],
      ['bind its queue to the gateway\'s exchange', (own) => own.bindQueue(`host.${hostA}`, 'virga.agent', 'rpc.agent-gateway')],
      ['bind its call queue to the gateway\'s exchange', async (own) => {
        await own.assertQueue(`host.${hostA}.rpc`, { durable: false, autoDelete: true });
        await own.bindQueue(`host.${hostA}.rpc`, 'virga.agent', 'rpc.agent-gateway');
      }],
      ['bind its call queue to the topics', async (own) => {
        await own.assertQueue(`host.${hostA}.rpc`, { durable: false, autoDelete: true });
        await own.bindQueue(`host.${hostA}.rpc`, 'virga.topic', '#');
      }],
      ['let its call queue dead-letter into another exchange', async (own) => {
        await own.deleteQueue(`host.${hostA}.rpc`);
        await own.assertQueue(`host.${hostA}.rpc`, { durable: false, autoDelete: true, arguments: { 'x-dead-letter-exchange': 'virga.retry' } });
      }],
    ])('it may not %s', async (_what, work) => {
      expect(await attempt(work)).toBe(403);
    });

    test.each<[string, (own: Channel) => unknown]>([
      ['consume its own commands', async (own) => { const { consumerTag } = await own.consume(`host.${hostA}`, () => undefined); await own.cancel(consumerTag); }],
      ['write to the gateway\'s exchange', (own) => own.publish('virga.agent', 'rpc.agent-gateway', message, { userId: `agent-${hostA}` })],
    ])('it may %s', async (_what, work) => {
      expect(await attempt(work)).toBe('allowed');
    });

    test('what it writes to the gateway\'s exchange under another key goes nowhere', async () => {
      const own = await agent.createConfirmChannel();
      const returned: string[] = [];
      own.on('return', ({ fields }) => returned.push(fields.routingKey));
      const keys = [`host.${hostB}`, 'rpc.victim', 'work.victim', 'identity.revocation', 'virga.retry'];
      for (const key of keys) own.publish('virga.agent', key, message, { mandatory: true });
      await own.waitForConfirms();
      expect(returned).toEqual(keys);
    });

    test('a forged answer from the wrong host is dropped, the right one counts', async () => {
      const contract = fresh();
      const conductor = await RabbitBus.connect({ url: rabbit.url('conductor'), logger });
      const honest = await RabbitBus.connect({ url: rabbit.url(`agent-${hostB}`), logger });
      // A server that leaks its caller's address to host A's agent, which answers first.
      await honest.serve(contract, { note: async () => undefined, echo: async ({ text }, { messageId }) => {
        const own = await agent.createConfirmChannel();
        const { replyQueue } = (conductor as unknown as { publisher: { replyQueue: string } }).publisher;
        own.publish('virga.agent', replyQueue, Buffer.from('{"ok":{"text":"forged"}}'), { correlationId: messageId, userId: `agent-${hostA}` });
        await own.waitForConfirms();
        await until(() => conductor.counters.strayReplies === 1);
        return { text };
      } }, { hostId: hostB });
      expect(await conductor.client(contract, { hostId: hostB }).echo({ text: 'true' })).toEqual({ text: 'true' });
      await Promise.all([conductor.close(), honest.close()]);
    });
  });

  describe('when the connection breaks', () => {
    test('calls under way fail at once, and may be repeated; consumers, topics and listeners come back', async () => {
      const contract = fresh();
      const topic = `test.${newUuid()}`;
      const server = await RabbitBus.connect({ url: rabbit.url('network'), logger });
      const caller = await RabbitBus.connect({ url: rabbit.url('conductor'), logger });
      let hang = true;
      let began = 0;
      let never!: () => void;
      const stuck = new Promise<void>((resolve) => { never = resolve; });
      await server.serve(contract, { note: async () => undefined, echo: async (input) => { began++; if (hang) await stuck; return input; } });
      const heard: unknown[] = [];
      await caller.subscribe(topic, (payload) => heard.push(payload));
      let reconnects = 0;
      caller.onReconnect(() => { reconnects++; });

      const pending = caller.client(contract).echo({ text: '' }, { timeoutMs: 60_000 });
      await until(() => began === 1);
      cut(caller);
      await expect(pending).rejects.toMatchObject({ kind: 'unavailable', retryable: true });
      expect(caller.connected).toBe(false);
      await expect(caller.client(contract).note({ text: '' })).rejects.toMatchObject({ kind: 'unavailable', retryable: true });
      hang = false;
      await until(() => caller.connected);
      expect(reconnects).toBe(1);
      expect(await caller.client(contract).echo({ text: 'again' })).toEqual({ text: 'again' });
      await server.publish(topic, 1);
      await until(() => heard.length === 1);

      cut(server);
      never();
      await until(() => server.counters.reconnects === 1 && server.connected);
      expect(await caller.client(contract).echo({ text: 'third' })).toEqual({ text: 'third' });
      await Promise.all([server.close(), caller.close()]);
    });

    test('a cast in work when its server is cut off is delivered again', async () => {
      const contract = fresh();
      const server = await RabbitBus.connect({ url: rabbit.url('network'), logger });
      const sender = await RabbitBus.connect({ url: rabbit.url('conductor'), logger });
      const redelivered: boolean[] = [];
      await server.serve(contract, { echo: async (input) => input, note: async (_input, meta) => {
        redelivered.push(meta.redelivered);
        if (redelivered.length === 1) { cut(server); await until(() => server.counters.reconnects === 1); }
      } });
      await sender.client(contract).note({ text: '' });
      await until(() => redelivered.length === 2);
      expect(redelivered).toEqual([false, true]);
      await Promise.all([server.close(), sender.close()]);
    });

    test('a message that cuts off its server every time ends as a dead letter', async () => {
      const contract = fresh();
      const server = await RabbitBus.connect({ url: rabbit.url('network'), logger, maxAttempts: 3 });
      const sender = await RabbitBus.connect({ url: rabbit.url('conductor'), logger });
      let runs = 0;
      await server.serve(contract, { echo: async (input) => input, note: async () => {
        const { reconnects } = server.counters;
        runs++;
        cut(server);
        await until(() => server.counters.reconnects > reconnects);
      } });
      await sender.client(contract).note({ text: '' });
      const queue = `work.${contract.name}`;
      await until(() => dead.has(queue));
      expect(dead.get(queue)).toEqual([{ method: 'note', reason: 'Each of its servers was lost while it worked on the message.' }]);
      expect(runs).toBe(3);
      await Promise.all([server.close(), sender.close()]);
    });

    test('a call in work when its server is cut off is not run twice: the caller is told', async () => {
      const contract = fresh();
      const server = await RabbitBus.connect({ url: rabbit.url('network'), logger });
      const other = await RabbitBus.connect({ url: rabbit.url('network'), logger });
      const caller = await RabbitBus.connect({ url: rabbit.url('conductor'), logger });
      let runs = 0;
      const handlers = (bus: RabbitBus) => ({ note: async () => undefined, echo: async (input: { text: string }) => {
        runs++;
        cut(bus);
        await until(() => bus.counters.reconnects > 0);
        return input;
      } });
      await server.serve(contract, handlers(server));
      await other.serve(contract, handlers(other));
      await expect(caller.client(contract).echo({ text: '' })).rejects.toMatchObject({ kind: 'unavailable', retryable: true });
      expect(runs).toBe(1);
      await Promise.all([server.close(), other.close(), caller.close()]);
    });

    test('kill -9 of the broker: every confirmed cast is handled after it is back', async () => {
      const own = await startOwnRabbit();
      const contract = fresh();
      const bus = await RabbitBus.connect({ url: own.url(), logger });
      const confirmed: string[] = [];
      const refused: string[] = [];
      const send = async (text: string): Promise<void> => {
        await bus.client(contract).note({ text }).then(() => confirmed.push(text), () => refused.push(text));
      };
      for (let i = 0; i < 50; i++) await send(`before-${i}`);
      const during = Promise.all(Array.from({ length: 200 }, (_, i) => send(`during-${i}`)));
      await own.kill();
      await during;
      expect(bus.connected).toBe(false);
      await own.start();
      await until(() => bus.connected);
      await send('after');
      const got = new Set<string>();
      await bus.serve(contract, { echo: async (input) => input, note: async ({ text }) => { got.add(text); } });
      await until(() => confirmed.every((text) => got.has(text)));
      expect(confirmed).toContain('before-49');
      expect(confirmed).toContain('after');
      await bus.close();
      await own.stop();
    });

    test('a refused user fails with a sentence and does not try for ever', async () => {
      const url = new URL(rabbit.url('conductor'));
      url.password = 'wrong';
      await expect(RabbitBus.connect({ url: url.href, logger })).rejects.toThrow(/broker cannot be used/);
    });
  });

  test('a failed message rests before it comes again, at the broker and not in the server', async () => {
    const contract = fresh();
    const first = await RabbitBus.connect({ url: rabbit.url('network'), logger });
    const sender = await RabbitBus.connect({ url: rabbit.url('conductor'), logger });
    const times: number[] = [];
    await first.serve(contract, { echo: async (input) => input, note: async () => { times.push(Date.now()); throw new Error('no'); } });
    await sender.client(contract).note({ text: '' });
    await until(() => times.length === 1);
    await first.close();
    const second = await RabbitBus.connect({ url: rabbit.url('network'), logger });
    await second.serve(contract, { echo: async (input) => input, note: async () => { times.push(Date.now()); } });
    await until(() => times.length === 2);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(RETRY_DELAY_MS);
    await Promise.all([second.close(), sender.close()]);
  });
});
