import { LibvirtConnection } from './connection';
import type { ConnectionOptions } from './connection';
import { ErrorCode } from './constants';
import { LibvirtConnectionError, LibvirtError, LibvirtProtocolError, LibvirtTimeoutError } from './errors';
import { encodeFrame, MessageStatus, MessageType } from './frame';
import { Program } from './protocol';
import { FakeLibvirtServer } from './testing/fake-server';

const UUID = '11111111-2222-4333-8444-555555555555';
const never = new Promise<never>(() => undefined);

let server: FakeLibvirtServer;
const open: LibvirtConnection[] = [];

async function connect(options: Partial<ConnectionOptions> = {}): Promise<LibvirtConnection> {
  const connection = await LibvirtConnection.open({
    socketPath: server.socketPath, uri: 'test:///default', keepalive: false, timeoutMs: 5_000, ...options,
  });
  open.push(connection);
  return connection;
}
const closing = (connection: LibvirtConnection): Promise<LibvirtConnectionError | undefined> =>
  new Promise((resolve) => connection.once('close', resolve));
const until = async (true_: () => boolean): Promise<void> => {
  while (!true_()) await new Promise((resolve) => setTimeout(resolve, 2));
};

beforeEach(async () => {
  server = await FakeLibvirtServer.start();
});
afterEach(async () => {
  for (const connection of open.splice(0)) connection.destroy();
  await server.stop();
});

describe('opening', () => {
  it('passes the driver and whether it only reads', async () => {
    const seen: unknown[] = [];
    server.handle('connectOpen', (args) => (seen.push(args), {}));
    await connect({ uri: 'qemu:///system' });
    await connect({ uri: 'qemu:///system', readOnly: true });
    expect(seen).toEqual([{ name: 'qemu:///system', flags: 0 }, { name: 'qemu:///system', flags: 1 }]);
  });

  it('authenticates by polkit when that is what there is', async () => {
    const asked = jest.fn(() => ({ complete: 1 }));
    server.handle('authList', () => ({ types: [2] }));
    server.handle('authPolkit', asked);
    await connect();
    expect(asked).toHaveBeenCalledTimes(1);
  });

  it('refuses an authentication it does not know', async () => {
    server.handle('authList', () => ({ types: [1] }));
    await expect(connect()).rejects.toThrow(LibvirtConnectionError);
    await until(() => server.clients.length === 0);
  });

  it('tells that there is no daemon, and that the call can be repeated', async () => {
    await server.kill();
    await expect(connect()).rejects.toMatchObject({ name: 'LibvirtConnectionError', sent: false });
  });

  it('gives the reason of a driver that cannot be opened, and leaves no socket behind', async () => {
    server.handle('connectOpen', () => {
      throw new LibvirtError({ code: ErrorCode.NO_CONNECT, message: 'no such driver' }, 'fake');
    });
    await expect(connect()).rejects.toMatchObject({ code: 5, procedure: 'connectOpen' });
    await until(() => server.clients.length === 0);
  });

  it('does not wait for ever for a daemon that says nothing', async () => {
    server.deaf = true;
    await expect(connect({ openTimeoutMs: 50 })).rejects.toThrow(LibvirtTimeoutError);
    await until(() => server.clients.length === 0);
  });
});

describe('calls', () => {
  it('are answered each with its own result, in any order', async () => {
    server.handle('domainLookupById', async ({ id }) => {
      await new Promise((resolve) => setTimeout(resolve, id === 1 ? 30 : 0));
      return { dom: { name: `d${id}`, uuid: UUID, id } };
    });
    const connection = await connect();
    const names = await Promise.all([1, 2, 3].map(async (id) => (await connection.call('domainLookupById', { id })).dom.name));
    expect(names).toEqual(['d1', 'd2', 'd3']);
  });

  it('fail each with its own error, all fields of it', async () => {
    server.handle('domainLookupById', ({ id }) => {
      throw new LibvirtError({ code: 42, domain: 10, message: `no ${id}`, level: 2, str1: 'a', int1: -7 }, 'fake');
    });
    const connection = await connect();
    const errors = await Promise.all(Array.from({ length: 60 }, (_, id) => connection.call('domainLookupById', { id }).catch((e: LibvirtError) => e)));
    errors.forEach((error, id) => expect(error).toMatchObject({ message: `no ${id}`, code: 42, procedure: 'domainLookupById' }));
    expect(errors[0]).toMatchObject({ domain: 10, level: 2, str1: 'a', str2: null, str3: null, int1: -7, int2: 0 });
  });

  it('that the daemon does not know leave the connection usable', async () => {
    const connection = await connect();
    await expect(connection.call('connectGetHostname', {})).rejects.toMatchObject({ code: ErrorCode.RPC });
    server.handle('connectGetHostname', () => ({ hostname: 'h' }));
    await expect(connection.call('connectGetHostname', {})).resolves.toEqual({ hostname: 'h' });
  });

  it('with an argument that does not fit are not sent', async () => {
    const connection = await connect();
    const before = server.clients[0]!.received.length;
    await expect(connection.call('domainLookupByName', { name: 'a\0b' })).rejects.toThrow(LibvirtProtocolError);
    await expect(connection.call('domainLookupByUuid', { uuid: 'x' })).rejects.toThrow(LibvirtProtocolError);
    await expect(connection.call('domainLookupByName', {} as never)).rejects.toThrow(LibvirtProtocolError);
    await expect(connection.call('connectGetLibVersion', {})).rejects.toThrow(LibvirtError);
    expect(server.clients[0]!.received.length).toBe(before + 1);
  });

  it('never exceed the number the daemon takes at a time', async () => {
    let now = 0;
    let most = 0;
    server.handle('domainGetXmlDesc', async () => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setTimeout(resolve, 1));
      now -= 1;
      return { xml: '<domain/>' };
    });
    const connection = await connect({ maxInFlight: 3 });
    await Promise.all(Array.from({ length: 30 }, () => connection.call('domainGetXmlDesc', { dom: { uuid: UUID } })));
    expect(most).toBe(3);
  });

  it('carry 64-bit values exactly', async () => {
    server.handle('domainMigrateSetMaxSpeed', ({ bandwidth }) => {
      expect(bandwidth).toBe(2n ** 64n - 1n);
      return {};
    });
    server.handle('connectGetLibVersion', () => ({ version: 2 ** 53 - 1 }));
    const connection = await connect();
    await connection.call('domainMigrateSetMaxSpeed', { dom: { uuid: UUID }, bandwidth: 2n ** 64n - 1n });
    expect(await connection.call('connectGetLibVersion', {})).toEqual({ version: 2n ** 53n - 1n });
  });

  it('reach the QEMU program', async () => {
    server.handle('qemuAgentCommand', ({ command, timeout }) => ({ result: `${command} ${timeout}` }));
    const connection = await connect();
    const { result } = await connection.call('qemuAgentCommand', { dom: { uuid: UUID }, command: 'ping', timeout: -2 });
    expect(result).toBe('ping -2');
    expect(server.clients[0]!.received.at(-1)!.program).toBe(Program.QEMU);
  });
});

describe('time', () => {
  it('runs out for a call that was sent, whose late answer is dropped', async () => {
    let answer: (value: { hostname: string }) => void = () => undefined;
    server.handle('connectGetHostname', () => new Promise((resolve) => (answer = resolve)));
    server.handle('connectGetUri', () => ({ uri: 'u' }));
    const connection = await connect();
    await expect(connection.call('connectGetHostname', {}, { timeoutMs: 20 })).rejects.toMatchObject({
      name: 'LibvirtTimeoutError', sent: true, procedure: 'connectGetHostname',
    });
    expect(connection.abandonedCalls).toBe(1);
    answer({ hostname: 'late' });
    await until(() => connection.abandonedCalls === 0);
    await expect(connection.call('connectGetUri', {})).resolves.toEqual({ uri: 'u' });
  });

  it('runs out for a call in line, which is then never sent', async () => {
    server.handle('connectGetHostname', () => never);
    const connection = await connect({ maxInFlight: 1 });
    const first = connection.call('connectGetHostname', {}, { timeoutMs: 0 }).catch((error: Error) => error);
    await expect(connection.call('connectGetUri', {}, { timeoutMs: 20 })).rejects.toMatchObject({ sent: false });
    connection.destroy();
    expect(await first).toMatchObject({ name: 'LibvirtConnectionError', sent: true });
    expect(server.clients.flatMap(({ received }) => received).filter(({ procedure }) => procedure === 110)).toEqual([]);
  });

  it('keeps the place of an abandoned call taken, because the daemon still works on it', async () => {
    server.handle('connectGetHostname', () => never);
    server.handle('connectGetUri', () => ({ uri: 'u' }));
    const connection = await connect({ maxInFlight: 1 });
    await expect(connection.call('connectGetHostname', {}, { timeoutMs: 10 })).rejects.toMatchObject({ sent: true });
    await expect(connection.call('connectGetUri', {}, { timeoutMs: 10 })).rejects.toMatchObject({ sent: false });
  });
});

describe('closing', () => {
  it('rejects what was sent and what was not, each saying so', async () => {
    server.handle('connectGetHostname', () => never);
    const connection = await connect({ maxInFlight: 1 });
    const sent = connection.call('connectGetHostname', {}).catch((error: Error) => error);
    const waiting = connection.call('connectGetUri', {}).catch((error: Error) => error);
    const closed = closing(connection);
    await until(() => server.clients[0]!.received.some(({ procedure }) => procedure === 59));
    await server.kill();
    expect(await closed).toBeInstanceOf(LibvirtConnectionError);
    expect(await sent).toMatchObject({ name: 'LibvirtConnectionError', sent: true, procedure: 'connectGetHostname' });
    expect(await waiting).toMatchObject({ name: 'LibvirtConnectionError', sent: false, procedure: 'connectGetUri' });
    expect(connection.closed).toBe(true);
    await expect(connection.call('connectGetUri', {})).rejects.toMatchObject({ sent: false });
  });

  it('says goodbye, once', async () => {
    const goodbye = jest.fn(() => ({}));
    server.handle('connectClose', goodbye);
    const connection = await connect();
    const closed = closing(connection);
    await connection.close();
    await connection.close();
    expect(await closed).toBeUndefined();
    expect(goodbye).toHaveBeenCalledTimes(1);
  });
});

describe('keepalive', () => {
  it('keeps a healthy idle connection', async () => {
    const connection = await connect({ keepalive: { intervalMs: 10, count: 5 } });
    await until(() => server.clients[0]!.received.filter(({ program }) => program === Program.KEEPALIVE).length >= 8);
    expect(connection.closed).toBe(false);
  });

  it('gives up a daemon that no longer answers', async () => {
    server.handle('connectGetHostname', () => never);
    server.answersPings = false;
    const connection = await connect({ keepalive: { intervalMs: 10, count: 3 } });
    const call = connection.call('connectGetHostname', {}).catch((error: Error) => error);
    const reason = await closing(connection);
    expect(reason?.message).toContain('silent');
    expect(await call).toMatchObject({ sent: true });
  });

  it('answers the pings of the daemon', async () => {
    await connect();
    const [client] = server.clients;
    client!.send(encodeFrame({ program: Program.KEEPALIVE, procedure: 1, type: MessageType.EVENT, serial: 0, status: MessageStatus.OK }));
    await until(() => client!.received.some(({ program, procedure }) => program === Program.KEEPALIVE && procedure === 2));
  });
});
