import { LibvirtError } from './errors';
import { laneOf } from './lanes';
import { LibvirtHost } from './pool';
import type { HostOptions } from './pool';
import { FakeLibvirtServer } from './testing/fake-server';
import { MessageStatus } from './frame';

const uuid = '11111111-2222-4333-8444-555555555555';
const dom = { name: 'd', uuid, id: 1 };
const never = new Promise<never>(() => undefined);
let server: FakeLibvirtServer;
let host: LibvirtHost;

function start(options: Partial<HostOptions> = {}): LibvirtHost {
  host = new LibvirtHost({
    socketPath: server.socketPath, uri: 'x:///', keepalive: false, backoff: { minMs: 5, maxMs: 20 },
    timeouts: { control: 2_000, stats: 2_000, ops: 2_000, jobs: 2_000 }, ...options,
  });
  return host.start();
}
const once = (name: 'connected' | 'reconnected' | 'disconnected'): Promise<void> => new Promise((resolve) => host.once(name, () => resolve()));
const until = async (true_: () => boolean): Promise<void> => {
  while (!true_()) await new Promise((resolve) => setTimeout(resolve, 2));
};

beforeEach(async () => {
  server = await FakeLibvirtServer.start();
  server.handle('connectGetUri', () => ({ uri: 'u' }));
});
afterEach(async () => {
  await host.close();
  await server.stop();
});

describe('lanes', () => {
  it('keep reads, guests, changes and jobs apart', () => {
    expect(laneOf('domainGetState')).toBe('control');
    expect(laneOf('domainAbortJob')).toBe('control');
    expect(laneOf('domainGetJobStats')).toBe('control');
    expect(laneOf('connectGetAllDomainStats')).toBe('stats');
    expect(laneOf('domainDestroyFlags')).toBe('ops');
    expect(laneOf('domainMigratePerform3Params')).toBe('jobs');
    start();
  });

  it('do not delay each other', async () => {
    server.handle('domainCreateWithFlags', () => never);
    server.handle('domainMigratePerform3Params', () => never);
    server.handle('connectGetAllDomainStats', () => never);
    server.handle('domainAbortJob', () => ({}));
    start();
    const stuck: Promise<unknown>[] = [];
    for (let i = 0; i < 6; i += 1) {
      stuck.push(
        host.call('domainCreateWithFlags', { dom }).catch(() => undefined),
        host.call('connectGetAllDomainStats', { doms: [], stats: 0 }).catch(() => undefined),
        host.call('domainMigratePerform3Params', { dom, params: [] }).catch(() => undefined),
      );
    }
    await expect(host.call('domainAbortJob', { dom })).resolves.toEqual({});
    await host.close();
    await Promise.all(stuck);
  });

  it('give each job a connection and take it away afterwards', async () => {
    const release: (() => void)[] = [];
    server.handle('domainManagedSave', () => new Promise((resolve) => release.push(() => resolve({}))));
    start();
    await host.call('domainGetState', { dom }).catch(() => undefined);
    await until(() => server.clients.length === 3);
    const jobs = [host.call('domainManagedSave', { dom }), host.call('domainManagedSave', { dom })];
    await until(() => release.length === 2);
    expect(server.clients.length).toBe(5);
    release.forEach((end) => end());
    await Promise.all(jobs);
    await until(() => server.clients.length === 3);
  });
});

describe('a daemon that comes late or goes', () => {
  it('lets calls wait for it', async () => {
    await server.kill();
    start();
    const trouble = new Promise<Error>((resolve) => host.once('trouble', resolve));
    const call = host.call('connectGetUri', {});
    expect((await trouble).name).toBe('LibvirtConnectionError');
    await server.listen();
    await expect(call).resolves.toEqual({ uri: 'u' });
  });

  it('lets jobs and streams wait for it, too', async () => {
    server.handle('domainManagedSave', () => ({}));
    server.handle('domainOpenConsole', () => ({}));
    await server.kill();
    start();
    const calls = Promise.all([host.call('domainManagedSave', { dom }), host.openStream('domainOpenConsole', { dom })]);
    await new Promise((resolve) => host.once('trouble', resolve));
    await server.listen();
    await expect(calls).resolves.toHaveLength(2);
  });

  it('lets jobs wait no longer than opening may take', async () => {
    await server.kill();
    start({ openTimeoutMs: 30 });
    await expect(host.call('domainManagedSave', { dom })).rejects.toMatchObject({ name: 'LibvirtTimeoutError', sent: false });
  });

  it('lets them wait no longer than their time, unsent', async () => {
    await server.kill();
    start();
    await expect(host.call('connectGetUri', {}, { timeoutMs: 30 })).rejects.toMatchObject({ name: 'LibvirtTimeoutError', sent: false });
    await expect(host.ready(20)).rejects.toMatchObject({ sent: false });
  });

  it('rejects what was under way, reconnects, registers events again, and says so after that', async () => {
    server.handle('domainCreateWithFlags', () => never);
    start({ events: ['lifecycle', 'jobCompleted'] });
    const seen: unknown[] = [];
    host.events.on('lifecycle', ({ event, detail }) => seen.push([event, detail]));
    await once('connected');
    server.emit('lifecycle', { dom, event: 2, detail: 0 });
    await until(() => seen.length === 1);
    const create = host.call('domainCreateWithFlags', { dom }).catch((error: Error) => error);
    await until(() => server.clients.some(({ received }) => received.some(({ procedure }) => procedure === 196)));
    const gone = once('disconnected');
    await server.kill();
    expect(await create).toMatchObject({ name: 'LibvirtConnectionError', sent: true });
    await gone;
    expect(host.up).toBe(false);
    const back = once('reconnected');
    await server.listen();
    await back;
    server.emit('lifecycle', { dom, event: 5, detail: 1 });
    await until(() => seen.length === 2);
    expect(seen).toEqual([[2, 0], [5, 1]]);
    expect(server.clients.filter(({ registered }) => registered.size === 2).length).toBe(1);
  });

  it('is tried again when the events cannot be registered', async () => {
    let tries = 0;
    const { emit } = server;
    server.handle('connectRegisterDomainEvent', (_args, { client }) => {
      tries += 1;
      if (tries < 3) throw new LibvirtError({ code: 38, message: 'not now' }, 'fake');
      client.registered.set('reboot', 1);
      return { callbackId: 1 };
    });
    start({ events: ['reboot'] });
    await host.ready();
    expect(tries).toBe(3);
    const event = new Promise((resolve) => host.once('domainEvent', (name, body) => resolve([name, body])));
    emit.call(server, 'reboot', { dom });
    expect(await event).toEqual(['reboot', { callbackId: 1, dom }]);
  });

  it('whose every place is held by abandoned calls gets a new connection', async () => {
    server.handle('domainGetState', () => never);
    start({ maxInFlight: 2 });
    await once('connected');
    const back = once('reconnected');
    const calls = [0, 1].map(() => host.call('domainGetState', { dom }, { timeoutMs: 20 }).catch((error: Error) => error));
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ name: 'LibvirtTimeoutError', sent: true });
    await back;
    await expect(host.call('connectGetUri', {})).resolves.toEqual({ uri: 'u' });
  });
});

describe('what every owner needs', () => {
  it('finds a domain or says that there is none', async () => {
    server.handle('domainLookupByUuid', (args) => {
      if (args.uuid !== uuid) throw new LibvirtError({ code: 42, message: 'none' }, 'fake');
      return { dom };
    });
    start();
    expect(await host.findDomain(uuid)).toEqual(dom);
    expect(await host.findDomain(uuid.replace('1', '9'))).toBeNull();
  });

  it('passes other errors on', async () => {
    server.handle('domainLookupByUuid', () => {
      throw new LibvirtError({ code: 38, message: 'disk' }, 'fake');
    });
    start();
    await expect(host.findDomain(uuid)).rejects.toMatchObject({ code: 38 });
  });

  it('lists domains', async () => {
    server.handle('connectListAllDomains', ({ needResults, flags }) => {
      expect([needResults, flags]).toEqual([1, 3]);
      return { domains: [dom], count: 1 };
    });
    start();
    expect(await host.listDomains(3)).toEqual([dom]);
  });

  it('gives a stream a connection of its own and ends it with the stream', async () => {
    server.handle('domainOpenConsole', (_args, { sendStream }) => {
      setTimeout(() => sendStream(MessageStatus.CONTINUE, Buffer.from('boot')), 5);
      return {};
    });
    start();
    await host.ready();
    await until(() => server.clients.length === 3);
    const { stream } = await host.openStream('domainOpenConsole', { dom });
    expect(server.clients.length).toBe(4);
    const data = await new Promise((resolve) => stream.once('data', resolve));
    expect(String(data)).toBe('boot');
    stream.destroy();
    await until(() => server.clients.length === 3);
  });
});

it('after close nothing is left and calls are refused', async () => {
  start();
  await host.ready();
  const waiting = host.call('domainGetState', { dom }).catch((error: Error) => error);
  await host.close();
  expect(await waiting).toBeInstanceOf(Error);
  await expect(host.call('connectGetUri', {})).rejects.toMatchObject({ sent: false });
  await until(() => server.clients.length === 0);
});
