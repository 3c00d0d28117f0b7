import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { GatheredReads } from './gathered-reads';

const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const pattern = (length: number) => Buffer.from(Array.from({ length }, (_, at) => (at * 7 + (at >> 8)) & 0xff));

it('what comes in one turn becomes one piece', async () => {
  const reads = new GatheredReads();
  const seen: string[] = [];
  reads.take((piece, done) => { seen.push(piece.toString()); done(); });
  for (const word of ['one ', 'two ', 'three']) reads.feed(Buffer.from(word));
  expect(seen).toEqual([]);
  await turn();
  expect(seen).toEqual(['one two three']);
});

it('what came before anybody took it is kept, whatever its length', async () => {
  const reads = new GatheredReads();
  const sent = pattern(200_000);
  for (let at = 0; at < sent.length; at += 1000) reads.feed(sent.subarray(at, at + 1000));
  await turn();
  const seen: Buffer[] = [];
  reads.take((piece, done) => { seen.push(Buffer.from(piece)); done(); });
  expect(Buffer.concat(seen).equals(sent)).toBe(true);
});

it('writes over nothing that its taker has not given back, and over what it has', async () => {
  const reads = new GatheredReads();
  const held: [Buffer, () => void][] = [];
  reads.take((piece, done) => held.push([piece, done]));
  const sent = pattern(1_000_000);
  for (let at = 0; at < sent.length; at += 16_384) { reads.feed(sent.subarray(at, at + 16_384)); await turn(); }
  expect(Buffer.concat(held.map(([piece]) => piece)).equals(sent)).toBe(true);
  for (const [, done] of held) { done(); done(); }
  const before = new Set(held.map(([piece]) => piece.buffer));
  held.length = 0;
  for (let at = 0; at < sent.length; at += 16_384) { reads.feed(sent.subarray(at, at + 16_384)); await turn(); for (const [, done] of held) done(); }
  expect(held.some(([piece]) => before.has(piece.buffer))).toBe(true);
  expect(new Set(held.map(([piece]) => piece.buffer)).size).toBeLessThan(6);
});

it('gives copies to another reader as long as it is diverted', async () => {
  const reads = new GatheredReads();
  const other: string[] = [];
  const seen: string[] = [];
  reads.divert((bytes) => other.push(bytes.toString()));
  reads.take((piece, done) => { seen.push(piece.toString()); done(); });
  reads.feed(Buffer.from('head'));
  reads.divert();
  reads.feed(Buffer.from('body'));
  await turn();
  expect([other, seen]).toEqual([['head'], ['body']]);
});

it('takes what a stream gives', async () => {
  const stream = new PassThrough();
  const reads = GatheredReads.of(stream);
  const seen: string[] = [];
  reads.take((piece, done) => { seen.push(piece.toString()); done(); });
  stream.end('all of it');
  stream.resume();
  await once(stream, 'end');
  await turn();
  expect(seen.join('')).toBe('all of it');
});

it('reads a socket as it is paused and resumed, to its end', async () => {
  const sent = pattern(3_000_000);
  const server = createServer((socket) => socket.end(sent));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const reads = new GatheredReads();
  const seen: Buffer[] = [];
  const socket: Socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, onread: reads.onread });
  reads.take((piece, done) => {
    seen.push(Buffer.from(piece));
    socket.pause();
    setImmediate(() => { done(); socket.resume(); });
  });
  await once(socket, 'close');
  reads.flush();
  expect(Buffer.concat(seen).equals(sent)).toBe(true);
  server.close();
});
