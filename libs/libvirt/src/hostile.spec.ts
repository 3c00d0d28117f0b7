/** A daemon, or something in its place, that sends what it should not. The client must end in a rejection, never in a crash. */
import { LibvirtConnection } from './connection';
import { LibvirtConnectionError, LibvirtError, LibvirtProtocolError, LibvirtTimeoutError } from './errors';
import { DomainEvents } from './events';
import { encodeFrame, MessageStatus, MessageType } from './frame';
import type { Header } from './frame';
import { Program } from './protocol';
import { FakeLibvirtServer } from './testing/fake-server';

const HOSTNAME = 59;
let server: FakeLibvirtServer;
let connection: LibvirtConnection;

beforeEach(async () => {
  server = await FakeLibvirtServer.start();
  connection = await LibvirtConnection.open({ socketPath: server.socketPath, uri: 'x:///', keepalive: false, timeoutMs: 1_000 });
});
afterEach(async () => {
  connection.destroy();
  await server.stop();
});

const reply = (frame: Partial<Header>, body?: Uint8Array): Buffer =>
  encodeFrame({ program: Program.REMOTE, procedure: HOSTNAME, type: MessageType.REPLY, serial: 0, status: MessageStatus.OK, ...frame }, body);
const words = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, at) => bytes.writeUInt32BE(value >>> 0, at * 4));
  return bytes;
};

/** Makes a call that is answered with `bytes`, and gives what became of it. */
async function answered(bytes: (serial: number) => Uint8Array, thenClose = false): Promise<unknown> {
  server.handle('connectGetHostname', (_args, { client, frame }) => {
    client.send(bytes(frame.serial));
    if (thenClose) client.socket.end();
    return new Promise(() => undefined);
  });
  return connection.call('connectGetHostname', {}).catch((error: Error) => error);
}

describe('bytes that are no message end the connection', () => {
  it.each<[string, (serial: number) => Uint8Array]>([
    ['a huge length', () => words(0xfffffff0, 0)],
    ['a length of nothing', () => words(0)],
    ['a length below the header', () => words(27, 1, 1, 1, 1, 1, 1)],
    ['text', () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['an unknown serial', (serial) => reply({ serial: serial + 1 }, words(0))],
    ['the answer to another procedure', (serial) => reply({ serial, procedure: 60 }, words(0))],
    ['the answer of another program', (serial) => reply({ serial, program: Program.QEMU }, words(0))],
    ['an unknown message type', (serial) => reply({ serial, type: 9 })],
    ['another protocol version', (serial) => {
      const bytes = reply({ serial }, words(0));
      bytes.writeUInt32BE(2, 8);
      return bytes;
    }],
    ['more descriptors than possible', (serial) => reply({ serial, type: MessageType.REPLY_WITH_FDS }, words(1000))],
    ['a descriptor count that is cut off', (serial) => reply({ serial, type: MessageType.REPLY_WITH_FDS }, Buffer.from([0]))],
  ])('%s', async (_name, bytes) => {
    expect(await answered(bytes)).toMatchObject({ name: 'LibvirtConnectionError', sent: true });
    expect(connection.closed).toBe(true);
  });

  it('half a message and then nothing more', async () => {
    expect(await answered((serial) => reply({ serial }, words(1, 2, 3)).subarray(0, 30), true)).toBeInstanceOf(LibvirtConnectionError);
  });
});

describe('a body that does not fit its call fails only that call', () => {
  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['truncated text', words(100, 0x41414141)],
    ['text of four gigabytes', words(0xffffffff)],
    ['NUL in text', Buffer.from('0000000461006200', 'hex')],
    ['left-over bytes', words(0, 0)],
  ])('%s', async (_name, body) => {
    expect(await answered((serial) => reply({ serial }, body))).toBeInstanceOf(LibvirtProtocolError);
    server.handle('connectGetUri', () => ({ uri: 'still here' }));
    await expect(connection.call('connectGetUri', {})).resolves.toEqual({ uri: 'still here' });
  });

  it('a malformed error', async () => {
    expect(await answered((serial) => reply({ serial, status: MessageStatus.ERROR }, words(1, 2)))).toBeInstanceOf(LibvirtProtocolError);
  });

  it('an error without any text', async () => {
    const body = words(42, 10, 0, 2, 0, 0, 0, 0, 0, 0, 0);
    const error = await answered((serial) => reply({ serial, status: MessageStatus.ERROR }, body));
    expect(error).toBeInstanceOf(LibvirtError);
    expect(error).toMatchObject({ code: 42, message: 'libvirt error 42' });
  });
});

it('a malformed event is reported and dropped', async () => {
  const events = new DomainEvents(connection);
  await events.register(['lifecycle']);
  const trouble = new Promise<Error>((resolve) => connection.once('protocolError', resolve));
  const got = jest.fn();
  events.on('lifecycle', got);
  server.clients[0]!.send(reply({ procedure: 318, type: MessageType.EVENT }, words(1, 99999)));
  server.clients[0]!.send(reply({ procedure: 9999, type: MessageType.EVENT }, words(1)));
  expect((await trouble).message).toContain('lifecycle');
  expect(got).not.toHaveBeenCalled();
  expect(connection.closed).toBe(false);
});

it('data of a stream that nobody opened is ignored', async () => {
  server.clients[0]!.send(reply({ type: MessageType.STREAM, serial: 77, status: MessageStatus.CONTINUE }, Buffer.from('x')));
  server.handle('connectGetUri', () => ({ uri: 'u' }));
  await expect(connection.call('connectGetUri', {})).resolves.toEqual({ uri: 'u' });
});

/** Small deterministic generator, so that a failure can be repeated by its seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

it.each(Array.from({ length: 60 }, (_, seed) => seed))('mutated answers, seed %d', async (seed) => {
  const next = random(seed * 7919 + 1);
  const outcome = await answered((serial) => {
    const body = Buffer.concat([words(8), Buffer.from('hostname')]);
    const bytes = reply({ serial, status: next() < 0.3 ? MessageStatus.ERROR : MessageStatus.OK }, body);
    for (let flips = 1 + Math.floor(next() * 4); flips > 0; flips -= 1) bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
    return next() < 0.3 ? bytes.subarray(0, Math.floor(next() * bytes.length)) : bytes;
  }, true);
  if (outcome instanceof Error) {
    expect([LibvirtError, LibvirtConnectionError, LibvirtProtocolError, LibvirtTimeoutError]).toContain(outcome.constructor);
  } else {
    expect(outcome).toEqual({ hostname: expect.any(String) });
  }
});
