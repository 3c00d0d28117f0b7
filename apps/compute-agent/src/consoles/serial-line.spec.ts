import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { SERIAL_FRAME, SerialFrameReader, serialFrame } from '@virga/contracts';
import { silentLogger } from '@virga/core';
import { overlap, SerialLine } from './serial-line';

/** A viewer's connection: what it is shown, and by what it wishes. `stalled` takes nothing. */
class Viewer extends Duplex {
  shown = '';
  roles: { role: string; viewers: number }[] = [];
  stalled = false;
  private waiting: (() => void) | undefined;
  private readonly reader = new SerialFrameReader();
  override _read(): void { /* pushed from outside */ }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.stalled) { this.waiting = done; return; }
    for (const { kind, payload } of this.reader.take(chunk)) {
      if (kind === SERIAL_FRAME.data) this.shown += payload.toString();
      else this.roles.push(JSON.parse(payload.toString()));
    }
    done();
  }
  go(): void { this.stalled = false; this.waiting?.(); }
  type(text: string): void { this.push(serialFrame(SERIAL_FRAME.data, Buffer.from(text))); }
  seize(): void { this.push(serialFrame(SERIAL_FRAME.control, Buffer.from('{"take":true}'))); }
  get role(): string | undefined { return this.roles.at(-1)?.role; }
}

const dir = mkdtempSync(join(tmpdir(), 'virga-line-'));
const path = join(dir, 'serial.sock');
let guest: Server;
let port: Socket | undefined;
let typed = '';
let connections = 0;
let log = '';
const until = async (holds: () => unknown) => { while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2)); };

beforeAll(() => new Promise<void>((resolve) => {
  guest = createServer((socket) => { connections++; port = socket.on('data', (bytes: Buffer) => { typed += bytes.toString(); }).on('error', () => undefined); }).listen(path, resolve);
}));
beforeEach(() => { typed = ''; log = ''; connections = 0; });
afterAll(() => { guest.close(); rmSync(dir, { recursive: true }); });

const line = (scrollback = async () => Buffer.from(log), closed: () => void = () => undefined) => new SerialLine(path, scrollback, closed, silentLogger);
const join_ = async (to: SerialLine, viewer = new Viewer()) => { await to.join(() => viewer); return viewer; };

it('the first types, others watch; all see the same, by one connection to the guest', async () => {
  log = 'before\n';
  const closed = jest.fn();
  const shared = line(undefined, closed);
  const [first, second] = [await join_(shared), await join_(shared)];
  await until(() => port);
  port!.write('# ');
  await until(() => first.shown.endsWith('# ') && second.shown.endsWith('# '));
  expect([first.shown, second.shown, connections]).toEqual(['before\n# ', 'before\n# ', 1]);
  expect([first.role, second.role]).toEqual(['writer', 'viewer']);
  second.type('rm -rf /\r');
  first.type('ls\r');
  await until(() => typed.length > 0);
  expect(typed).toBe('ls\r');
  second.seize();
  await until(() => second.role === 'writer' && first.role === 'viewer');
  second.type('id\r');
  await until(() => typed.endsWith('id\r'));
  second.destroy();
  await until(() => first.role === 'writer');
  expect(first.roles.at(-1)!.viewers).toBe(0);
  first.destroy();
  await until(() => port!.destroyed);
  expect(closed).toHaveBeenCalledTimes(1);
});

it('loses and repeats nothing of what comes while the log is read', async () => {
  let release: (text: string) => void = () => undefined;
  const read = new Promise<Buffer<ArrayBuffer>>((resolve) => { release = (text) => resolve(Buffer.from(text)); });
  port = undefined;
  const shared = line(() => read);
  const viewer = new Viewer();
  const joining = shared.join(() => viewer);
  await until(() => port);
  port!.write('live one\n');
  await new Promise((resolve) => setTimeout(resolve, 50));
  // The log was read when half of it had been written down.
  release('old\nlive');
  await joining;
  await until(() => viewer.shown.includes('one'));
  expect(viewer.shown).toBe('old\nlive one\n');
  viewer.destroy();
});

it('a viewer that stalls costs a bounded amount, is told that output is missing, and holds up nobody', async () => {
  const shared = line();
  port = undefined;
  const [slow, quick] = [await join_(shared), await join_(shared)];
  await until(() => port && slow.role);
  slow.stalled = true;
  for (let piece = 0; piece < 64; piece++) { port!.write('x'.repeat(32_768)); await until(() => quick.shown.length >= (piece + 1) * 32_768); }
  expect(slow.writableLength).toBeLessThan(512 * 1024);
  slow.go();
  await until(() => slow.writableLength === 0);
  port!.write('end\n');
  await until(() => slow.shown.endsWith('end\n'));
  expect(slow.shown).toContain('[output left out');
  expect(quick.shown.length).toBe(64 * 32_768 + 4);
  slow.destroy();
  quick.destroy();
});

it('takes out what acts on a terminal, for each viewer from where it joined', async () => {
  const shared = line();
  port = undefined;
  const viewer = await join_(shared);
  await until(() => port);
  port!.write('a\x1b[6');
  await until(() => viewer.shown === 'a');
  port!.write('nb\x1b]52;c;ZXZpbA==\x07c');
  await until(() => viewer.shown.endsWith('c'));
  expect(viewer.shown).toBe('abc');
  viewer.destroy();
});

it('ends with the guest, and with it all who look', async () => {
  const closed = jest.fn();
  const shared = line(undefined, closed);
  port = undefined;
  const viewer = await join_(shared);
  await until(() => port);
  port!.destroy();
  await until(() => viewer.destroyed);
  await new Promise(setImmediate);
  expect(closed).toHaveBeenCalledTimes(1);
});

it.each([['no frame', Buffer.from([9, 9, 9, 9, 9, 9])], ['no JSON', serialFrame(SERIAL_FRAME.control, Buffer.from('{'))]])('a viewer that sends %s goes alone', async (_what, bytes) => {
  const shared = line();
  const [bad, good] = [await join_(shared), await join_(shared)];
  bad.push(bytes);
  await until(() => bad.destroyed && good.role === 'writer');
  good.destroy();
});

it('a guest that is off is said to be', async () => {
  await expect(new SerialLine(join(dir, 'none'), async () => Buffer.alloc(0), () => undefined, silentLogger).join(() => new Viewer())).rejects.toMatchObject({ code: 'ENOENT' });
});

it.each([['abc', 'bcd', 2], ['abc', 'xyz', 0], ['', 'a', 0], ['aaa', 'aaa', 3], ['abcabc', 'abc', 3]])('of %j then %j, %i bytes are the same', (before, after, length) => {
  expect(overlap(Buffer.from(before), Buffer.from(after))).toBe(length);
});
