import { Type } from '@sinclair/typebox';
import { CloudError, conflict, newUuid, withLogFields } from '@virga/core';
import type { Bus } from './bus';
import { call, cast, defineContract, type Handlers, type MessageMeta } from './contract';

const Text = Type.Object({ text: Type.String() });
const methods = { echo: call(Text, Text, 5000), slow: call(Text, Text, 200), note: cast(Text) };

export interface BusUnderTest {
  /** A bus that sends as this user: a service, or `agent-<host id>` of a host made by `hostId`. */
  connect(sender: 'conductor' | 'network' | `agent-${string}`): Promise<Bus>;
  hostIds: [string, string];
  /** Messages that were given up, of the given queue. */
  deadOf(queue: string): Promise<{ method: string; reason: string }[]>;
  /** Deliveries before a message is dead. */
  maxAttempts: number;
}

const until = async (fact: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await fact())) await new Promise((resolve) => { setTimeout(resolve, 5); });
};
const gate = (): { opened: Promise<void>; open: () => void } => {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => { open = resolve; });
  return { opened, open };
};

/** What every bus promises. `make` is called once. */
export function busContractTests(make: () => Promise<BusUnderTest>): void {
  let world: BusUnderTest;
  let service: Bus;
  let server: Bus;
  const open: Bus[] = [];
  const connect = async (sender: Parameters<BusUnderTest['connect']>[0]): Promise<Bus> => {
    const bus = await world.connect(sender);
    open.push(bus);
    return bus;
  };
  /** A contract with queues of its own. */
  const fresh = (audience: 'services' | 'agents' = 'services') => defineContract(`test-${newUuid()}`, methods, { audience });
  const handlers = (over: Partial<Handlers<ReturnType<typeof fresh>>> = {}): Handlers<ReturnType<typeof fresh>> => ({
    echo: async ({ text }) => ({ text }),
    slow: async ({ text }) => ({ text }),
    note: async () => undefined,
    ...over,
  });

  beforeAll(async () => {
    world = await make();
    service = await connect('conductor');
    server = await connect('network');
  });
  afterAll(async () => { await Promise.all(open.map((bus) => bus.close())); });

  test('a call is answered, and the server knows who asked, for which request and until when', async () => {
    const contract = fresh();
    let seen: MessageMeta | undefined;
    await server.serve(contract, handlers({ echo: async ({ text }, meta) => { seen = meta; return { text: `${text}!` }; } }));
    const before = Date.now();
    expect(await withLogFields({ requestId: 'req-1', operationId: 'o-1', instanceId: 'i-1', kind: 'stays here' }, () => service.client(contract).echo({ text: 'ü' }))).toEqual({ text: 'ü!' });
    expect(seen).toMatchObject({ sender: 'conductor', redelivered: false, requestId: 'req-1', operationId: 'o-1', instanceId: 'i-1' });
    expect(seen!.deadline).toBeGreaterThanOrEqual(before + 5000);
    expect(seen!.messageId).not.toBe('');
  });

  test('many calls at once each get their own answer', async () => {
    const contract = fresh();
    await server.serve(contract, handlers(), { concurrency: 4 });
    const client = service.client(contract);
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => client.echo({ text: String(i) })));
    expect(answers.map(({ text }) => text)).toEqual(Array.from({ length: 200 }, (_, i) => String(i)));
  });

  test('no more than `concurrency` messages are in work', async () => {
    const contract = fresh();
    let running = 0;
    let most = 0;
    await server.serve(contract, handlers({
      echo: async ({ text }) => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => { setTimeout(resolve, 5); });
        running--;
        return { text };
      },
    }), { concurrency: 3 });
    const client = service.client(contract);
    await Promise.all(Array.from({ length: 20 }, () => client.echo({ text: '' })));
    expect(most).toBe(3);
  });

  test('a call that nobody serves fails at once, and may be repeated', async () => {
    await expect(service.client(fresh()).echo({ text: '' })).rejects.toMatchObject({ kind: 'unavailable', retryable: true });
  });

  test('a refusal arrives as what it was; an unexpected error without its message', async () => {
    const contract = fresh();
    await server.serve(contract, handlers({
      echo: async () => { throw conflict('taken', { type: 'PortInUse', status: 418, details: { port: 7 } }); },
      slow: async () => { throw new Error('secret path'); },
    }));
    const client = service.client(contract);
    await expect(client.echo({ text: '' })).rejects.toMatchObject({ kind: 'conflict', message: 'taken', type: 'PortInUse', status: 418, retryable: false, details: { port: 7 } });
    const error = await client.slow({ text: '' }, { timeoutMs: 5000 }).then(() => undefined, (thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CloudError);
    expect(error).toMatchObject({ kind: 'internal', status: 500 });
    expect((error as Error).message).not.toContain('secret');
  });

  test('wrong input is refused by the sender, wrong output by the caller', async () => {
    const contract = fresh();
    await server.serve(contract, handlers({ echo: async () => ({ text: 7 }) as never }));
    const client = service.client(contract);
    await expect(client.echo({ text: 7 } as never)).rejects.toThrow(/input of .*\/text/);
    await expect(client.echo({ text: '' })).rejects.toThrow(/answer of .*\/text/);
    await expect(client.note({} as never)).rejects.toThrow(/input of/);
  });

  test('wrong input of a careless sender is refused by the server', async () => {
    const name = `test-${newUuid()}`;
    const loose = defineContract(name, { echo: call(Type.Unknown(), Type.Unknown(), 5000), absent: call(Type.Unknown(), Type.Unknown(), 5000) });
    await server.serve(defineContract(name, methods), handlers());
    await expect(service.client(loose).echo({ text: 7 })).rejects.toMatchObject({ kind: 'badRequest' });
    await expect(service.client(loose).absent({})).rejects.toMatchObject({ kind: 'badRequest', message: expect.stringContaining('no method') });
  });

  test('a message over the limit is refused before it is sent', async () => {
    const contract = fresh();
    await server.serve(contract, handlers());
    const text = 'x'.repeat(1024 * 1024);
    await expect(service.client(contract).echo({ text })).rejects.toMatchObject({ kind: 'tooLarge' });
    await expect(service.client(contract).note({ text })).rejects.toMatchObject({ kind: 'tooLarge' });
  });

  test('an answer over the limit is an error, not a silence', async () => {
    const contract = fresh();
    await server.serve(contract, handlers({ echo: async () => ({ text: 'x'.repeat(1024 * 1024) }) }));
    await expect(service.client(contract).echo({ text: '' })).rejects.toMatchObject({ kind: 'tooLarge' });
  });

  test('a caller stops waiting at its time; what it gave up is not started', async () => {
    const contract = fresh();
    const { opened, open: release } = gate();
    const started: string[] = [];
    await server.serve(contract, handlers({ slow: async ({ text }) => { started.push(text); await opened; return { text }; } }), { concurrency: 1 });
    const client = service.client(contract);
    const first = client.slow({ text: 'first' });
    const second = client.slow({ text: 'second' });
    await expect(first).rejects.toMatchObject({ kind: 'timeout', retryable: true });
    await expect(second).rejects.toMatchObject({ kind: 'timeout' });
    release();
    expect(await client.echo({ text: 'after' })).toEqual({ text: 'after' });
    expect(started).toEqual(['first']);
  });

  test('copies of a server share the calls; a stopped one gets none', async () => {
    const contract = fresh();
    const copies = [0, 0];
    const [one] = await Promise.all([0, 1].map((i) => server.serve(contract, handlers({ echo: async ({ text }) => { copies[i]!++; return { text }; } }))));
    const client = service.client(contract);
    for (let i = 0; i < 20; i++) await client.echo({ text: '' });
    expect(Math.min(...copies)).toBeGreaterThan(0);
    await one!.stop();
    const before = copies[0];
    for (let i = 0; i < 5; i++) await client.echo({ text: '' });
    expect(copies[0]).toBe(before);
  });

  test('stop waits for what is in work', async () => {
    const contract = fresh();
    const { opened, open: release } = gate();
    let done = false;
    let began = false;
    const served = await server.serve(contract, handlers({ note: async () => { began = true; await opened; done = true; } }));
    await service.client(contract).note({ text: '' });
    await until(() => began);
    setTimeout(release, 20);
    await served.stop();
    expect(done).toBe(true);
  });

  test('a cast waits for its server', async () => {
    const contract = fresh();
    await service.client(contract).note({ text: 'early' }, { messageId: 'm-1' });
    const got: unknown[] = [];
    await server.serve(contract, handlers({ note: async (input, meta) => { got.push([input, meta.messageId, meta.sender, meta.deadline]); } }));
    await until(() => got.length === 1);
    expect(got).toEqual([[{ text: 'early' }, 'm-1', 'conductor', undefined]]);
  });

  test('a cast whose handler throws comes again, marked, and does not hold up the next', async () => {
    const contract = fresh();
    const got: string[] = [];
    const redelivered: boolean[] = [];
    await server.serve(contract, handlers({
      note: async ({ text }, meta) => {
        got.push(text);
        if (text !== 'bad') return;
        redelivered.push(meta.redelivered);
        if (redelivered.length === 1) throw new Error('not yet');
      },
    }), { concurrency: 1 });
    await service.client(contract).note({ text: 'bad' });
    await service.client(contract).note({ text: 'good' });
    await until(() => got.length === 3);
    expect(got).toEqual(['bad', 'good', 'bad']);
    expect(redelivered).toEqual([false, true]);
  });

  test('a cast that fails every time becomes a dead letter with its reason', async () => {
    const contract = fresh();
    let deliveries = 0;
    await server.serve(contract, handlers({ note: async () => { deliveries++; throw new Error('no way'); } }));
    await service.client(contract).note({ text: '' });
    let dead: { method: string; reason: string }[] = [];
    await until(async () => (dead = await world.deadOf(`work.${contract.name}`)).length > 0);
    expect(dead).toEqual([{ method: 'note', reason: 'no way' }]);
    expect(deliveries).toBe(world.maxAttempts);
  });

  test('a cast that does not fit its schema is dead at once and holds up nothing', async () => {
    const name = `test-${newUuid()}`;
    const loose = defineContract(name, { note: cast(Type.Unknown()), absent: cast(Type.Unknown()) });
    const got: string[] = [];
    await server.serve(defineContract(name, methods), handlers({ note: async ({ text }) => { got.push(text); } }), { concurrency: 1 });
    await service.client(loose).note({ text: 7 });
    await service.client(loose).absent({});
    await service.client(loose).note({ text: 'good' });
    await until(async () => got.length === 1 && (await world.deadOf(`work.${name}`)).length === 2);
    expect(got).toEqual(['good']);
    expect((await world.deadOf(`work.${name}`)).map(({ method }) => method).sort()).toEqual(['absent', 'note']);
  });

  test('topics reach every listener and no other topic; one that throws does not harm', async () => {
    const topic = `test.${newUuid()}`;
    const got: unknown[] = [];
    await service.subscribe(topic, () => { throw new Error('mine alone'); });
    await service.subscribe(topic, (payload) => got.push(['one', payload]));
    await server.subscribe(topic, (payload) => got.push(['two', payload]));
    await server.subscribe(`${topic}.other`, () => got.push('wrong'));
    await service.publish(topic, { n: 1 });
    await until(() => got.length === 2);
    expect(got.sort()).toEqual([['one', { n: 1 }], ['two', { n: 1 }]]);
  });

  test('topics that are subscribed at the same moment are heard once each', async () => {
    const bus = await connect('conductor');
    const topics = Array.from({ length: 5 }, () => `test.${newUuid()}`);
    const got: string[] = [];
    await Promise.all(topics.map((topic) => bus.subscribe(topic, () => got.push(topic))));
    for (const topic of topics) await service.publish(topic, {});
    const last = `test.${newUuid()}`;
    await bus.subscribe(last, () => got.push(last));
    await service.publish(last, {});
    await until(() => got.includes(last));
    expect(got).toEqual([...topics, last]);
  });

  test('a closed bus refuses', async () => {
    const contract = fresh();
    await server.serve(contract, handlers());
    const bus = await connect('conductor');
    await bus.close();
    expect(bus.connected).toBe(false);
    await expect(bus.client(contract).echo({ text: '' })).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(bus.client(contract).note({ text: '' })).rejects.toMatchObject({ kind: 'unavailable' });
  });

  describe('hosts', () => {
    test('each host gets its own commands, also those sent before its first start', async () => {
      const [a, b] = world.hostIds;
      const contract = fresh();
      await service.client(contract, { hostId: a }).note({ text: 'for a' });
      await service.client(contract, { hostId: b }).note({ text: 'for b' });
      const got: string[] = [];
      for (const id of [a, b]) {
        const agent = await connect(`agent-${id}`);
        await agent.serve(contract, handlers({ note: async ({ text }) => { got.push(`${id} ${text}`); }, echo: async () => ({ text: id }) }), { hostId: id });
      }
      await until(() => got.length === 2);
      expect(got.sort()).toEqual([`${a} for a`, `${b} for b`].sort());
      expect(await service.client(contract, { hostId: a }).echo({ text: '' })).toEqual({ text: a });
      expect(await service.client(contract, { hostId: b }).echo({ text: '' })).toEqual({ text: b });
      await Promise.all(open.splice(2).map((bus) => bus.close()));
    });

    test('a command that an agent cannot do comes again, then is dead', async () => {
      const [a] = world.hostIds;
      const contract = fresh();
      const agent = await connect(`agent-${a}`);
      let deliveries = 0;
      await agent.serve(contract, handlers({ note: async () => { deliveries++; throw new Error('disk full'); } }), { hostId: a });
      await service.client(contract, { hostId: a }).note({ text: '' });
      await until(async () => (await world.deadOf(`host.${a}`)).length > 0);
      expect(await world.deadOf(`host.${a}`)).toEqual([{ method: 'note', reason: 'disk full' }]);
      expect(deliveries).toBe(world.maxAttempts);
      await agent.close();
    });

    test('an agent reaches the gateway, known by its name, and nothing else', async () => {
      const [a] = world.hostIds;
      const gateway = fresh('agents');
      const inner = fresh();
      const got: string[] = [];
      await server.serve(gateway, handlers({ echo: async (_input, { sender }) => ({ text: sender }), note: async (_input, { sender }) => { got.push(sender); } }));
      await server.serve(inner, handlers());
      const agent = await connect(`agent-${a}`);
      expect(await agent.client(gateway).echo({ text: '' })).toEqual({ text: `agent-${a}` });
      await agent.client(gateway).note({ text: '' });
      await until(() => got.length === 1);
      expect(got).toEqual([`agent-${a}`]);
      expect(await service.client(gateway).echo({ text: '' })).toEqual({ text: 'conductor' });
      await expect(agent.client(inner).echo({ text: '' })).rejects.toMatchObject({ kind: 'forbidden' });
      await expect(agent.client(inner).note({ text: '' })).rejects.toMatchObject({ kind: 'forbidden' });
      await expect(agent.publish('anything', {})).rejects.toMatchObject({ kind: 'forbidden' });
      await expect(agent.subscribe('anything', () => undefined)).rejects.toMatchObject({ kind: 'forbidden' });
      await agent.close();
    });

    test.each(['a.rpc', 'a b', '', '*', 'x'.repeat(65)])('the host id %j cannot name another queue', async (hostId) => {
      await expect(service.client(fresh(), { hostId }).note({ text: '' })).rejects.toMatchObject({ kind: 'badRequest' });
      await expect(service.client(fresh(), { hostId }).echo({ text: '' })).rejects.toMatchObject({ kind: 'badRequest' });
    });
  });
}
