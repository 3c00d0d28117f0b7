import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { LibvirtConnection } from './connection';
import type { ConnectionOptions } from './connection';
import { LibvirtError } from './errors';
import { encodeFrame, MessageStatus, MessageType } from './frame';
import type { Frame } from './frame';
import type { LibvirtStream } from './stream';
import { errorBodyOf, FakeLibvirtServer } from './testing/fake-server';
import type { FakeCall } from './testing/fake-server';

const dom = { uuid: '11111111-2222-4333-8444-555555555555' };
const { OK, ERROR, CONTINUE } = MessageStatus;
let server: FakeLibvirtServer;
let connection: LibvirtConnection;
let daemon: FakeCall;
const statuses = (): number[] => server.clients.flatMap(({ received }) => received).filter(({ type }) => type === MessageType.STREAM).map(({ status }) => status);
const until = async (true_: () => boolean): Promise<void> => {
  while (!true_()) await new Promise((resolve) => setTimeout(resolve, 2));
};
const closed = (stream: LibvirtStream): Promise<void> => new Promise((resolve) => stream.once('close', resolve));
/** An error message of the stream of `call`. */
const streamError = ({ frame }: FakeCall, error: LibvirtError): Buffer =>
  encodeFrame({ ...frame, type: MessageType.STREAM, status: ERROR }, errorBodyOf(error));

async function connect(options: Partial<ConnectionOptions> = {}): Promise<void> {
  connection = await LibvirtConnection.open({ socketPath: server.socketPath, uri: 'x:///', keepalive: false, timeoutMs: 2_000, ...options });
}
async function console_(): Promise<LibvirtStream> {
  return (await connection.openStream('domainOpenConsole', { dom })).stream;
}

beforeEach(async () => {
  server = await FakeLibvirtServer.start();
  server.handle('domainOpenConsole', (_args, call) => ((daemon = call), {}));
  server.handle('domainScreenshot', (_args, call) => ((daemon = call), { mime: 'image/png' }));
  server.handle('storageVolUpload', (_args, call) => ((daemon = call), {}));
  server.onStream = ({ status }) => {
    if (status !== CONTINUE) daemon.sendStream(OK);
  };
});
afterEach(async () => {
  connection.destroy();
  await server.stop();
});

it('reads to the end, confirms it, and closes', async () => {
  await connect();
  const { result, stream } = await connection.openStream('domainScreenshot', { dom, screen: 0 });
  daemon.sendStream(CONTINUE, Buffer.from('abc'));
  daemon.sendStream(CONTINUE, Buffer.from('def'));
  daemon.sendStream(CONTINUE);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  expect(result).toEqual({ mime: 'image/png' });
  expect(Buffer.concat(chunks).toString()).toBe('abcdef');
  if (!stream.closed) await closed(stream);
  await until(() => statuses().length > 0);
  expect(statuses()).toEqual([OK]);
});

it('goes both ways, as a console does', async () => {
  await connect();
  server.onStream = ({ status, body }: Frame) => daemon.sendStream(status === CONTINUE ? CONTINUE : OK, status === CONTINUE ? Buffer.from(`<${body.toString()}>`) : undefined);
  const stream = await console_();
  stream.write('ls');
  const [echo] = await new Promise<Buffer[]>((resolve) => stream.once('data', (...chunk: Buffer[]) => resolve(chunk)));
  expect(echo!.toString()).toBe('<ls>');
  stream.end();
  stream.resume();
  await closed(stream);
});

it('cuts large writes, and finishes only when the daemon has confirmed', async () => {
  await connect();
  const sizes: number[] = [];
  let confirmed = false;
  server.onStream = ({ status, body }) => {
    if (status === CONTINUE) sizes.push(body.length);
    else setTimeout(() => ((confirmed = true), daemon.sendStream(OK)), 20);
  };
  const { stream } = await connection.openStream('storageVolUpload', { vol: { pool: 'p', name: 'n', key: 'k' }, offset: 0, length: 0 });
  stream.resume();
  await pipeline(Readable.from([Buffer.alloc(600_000)]), stream);
  expect(confirmed).toBe(true);
  expect(sizes).toEqual([262_120, 262_120, 75_760]);
});

it('fails an upload that the daemon refuses at its end', async () => {
  await connect();
  server.onStream = ({ status }) => {
    if (status === OK) daemon.client.send(streamError(daemon, new LibvirtError({ code: 38, message: 'no space' }, 'fake')));
  };
  const { stream } = await connection.openStream('storageVolUpload', { vol: { pool: 'p', name: 'n', key: 'k' }, offset: 0, length: 0 });
  stream.resume();
  await expect(pipeline(Readable.from([Buffer.from('x')]), stream)).rejects.toMatchObject({ code: 38, procedure: 'storageVolUpload' });
});

it('ends with the error the daemon sends in the middle', async () => {
  await connect();
  const stream = await console_();
  const failure = new Promise((resolve) => stream.once('error', resolve));
  daemon.client.send(streamError(daemon, new LibvirtError({ code: 39, message: 'gone' }, 'fake')));
  expect(await failure).toMatchObject({ code: 39, message: 'gone' });
});

it('is aborted by destroy, and what still comes is swallowed', async () => {
  await connect();
  const stream = await console_();
  const gone = closed(stream);
  stream.destroy();
  daemon.sendStream(CONTINUE, Buffer.from('late'));
  await gone;
  await until(() => statuses().length === 1);
  expect(statuses()).toEqual([ERROR]);
  expect(connection.closed).toBe(false);
});

it('is lost with its connection, also when nobody listens for errors', async () => {
  await connect();
  const stream = await console_();
  const gone = closed(stream);
  await server.kill();
  await gone;
  expect(stream.errored).toMatchObject({ name: 'LibvirtConnectionError', sent: true });
});

it('is not opened when the call fails', async () => {
  await connect();
  server.handle('domainOpenConsole', () => {
    throw new LibvirtError({ code: 55, message: 'not running' }, 'fake');
  });
  await expect(console_()).rejects.toMatchObject({ code: 55 });
  expect(connection.closed).toBe(false);
});

it('refuses holes, which it did not ask for', async () => {
  await connect();
  const stream = await console_();
  const failure = new Promise<Error>((resolve) => stream.once('error', resolve));
  daemon.client.send(encodeFrame({ ...daemon.frame, type: MessageType.STREAM_HOLE, status: CONTINUE }, Buffer.alloc(12)));
  expect((await failure).message).toContain('sparse');
});

it('on a shared connection is aborted when nobody reads it', async () => {
  await connect({ maxBufferedBytes: 1_000_000 });
  server.handle('connectGetUri', () => ({ uri: 'u' }));
  const stream = await console_();
  const failure = new Promise<Error>((resolve) => stream.once('error', resolve));
  for (let i = 0; i < 12; i += 1) daemon.sendStream(CONTINUE, Buffer.alloc(100_000));
  expect((await failure).message).toContain('not read in time');
  await expect(connection.call('connectGetUri', {})).resolves.toEqual({ uri: 'u' });
});

it('on a connection of its own holds the daemon back instead, and loses nothing', async () => {
  await connect({ dedicated: true, maxBufferedBytes: 1_000 });
  const stream = await console_();
  const total = 40 * 262_120;
  for (let i = 0; i < 40; i += 1) daemon.sendStream(CONTINUE, Buffer.alloc(262_120, i));
  await until(() => stream.readableLength > 0);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(stream.readableLength).toBeLessThan(total / 2);
  daemon.sendStream(CONTINUE);
  let length = 0;
  for await (const chunk of stream) length += (chunk as Buffer).length;
  expect(length).toBe(total);
});
