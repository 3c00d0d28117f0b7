import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppendLog } from './append-log';

/** A disk of 3 MB that is really full. */
const dir = mkdtempSync(join(tmpdir(), 'virga-full-'));
const path = join(dir, 'journal');
const open = () => AppendLog.open<{ n: number; text?: string }>(path, (records) => records);
const numbers = () => readFileSync(path, 'utf8').replaceAll('\0', '').split('\n').filter(Boolean).map((line) => (JSON.parse(line) as { n: number }).n);
const fill = () => {
  const { bavail, bsize } = statfsSync(dir);
  try { writeFileSync(join(dir, `filler-${Date.now()}-${Math.random()}`), Buffer.alloc(bavail * bsize)); } catch { /* full, as it shall be */ }
};
const empty = () => execFileSync('/bin/sh', ['-c', `rm -f ${dir}/filler-*`]);

beforeAll(() => { execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', dir]); });
afterAll(() => { execFileSync('umount', [dir]); rmSync(dir, { recursive: true }); });

it('is written to on a full disk, in the room that it has ahead', async () => {
  const log = await open();
  fill();
  expect(() => writeFileSync(join(dir, 'other'), Buffer.alloc(8192))).toThrow('ENOSPC');
  for (let n = 0; n < 40; n++) await log.append({ n, text: 'x'.repeat(1000) });
  expect(numbers()).toHaveLength(40);
  await log.close();
});

it('is opened on a full disk as it is, and written anew once there is room', async () => {
  let log = await open();
  await log.append({ n: 40 });
  await log.close();
  expect(numbers()).toHaveLength(41);
  expect(existsSync(`${path}.new`)).toBe(false);
  empty();
  log = await AppendLog.open<{ n: number }>(path, (records) => records.slice(-1));
  await log.close();
  expect(numbers()).toEqual([40]);
});

it('loses no record to one that the disk took only half of', async () => {
  const log = await open();
  await expect(log.append({ n: 99, text: 'x'.repeat(4 << 20) })).rejects.toThrow('ENOSPC');
  await log.append({ n: 41 });
  await log.close();
  expect(numbers()).toEqual([40, 41]);
  fill();
  const again = await open();
  await expect(again.append({ n: 99, text: 'x'.repeat(4 << 20) })).rejects.toThrow('ENOSPC');
  await again.append({ n: 42 });
  await again.close();
  expect(numbers()).toEqual([40, 41, 42]);
});

it('gets more room when it needs it', async () => {
  empty();
  const log = await open();
  for (let n = 0; n < 12; n++) await log.append({ n, text: 'x'.repeat(100_000) });
  fill();
  await log.append({ n: 12 });
  await log.close();
  expect(numbers().slice(-2)).toEqual([11, 12]);
});
