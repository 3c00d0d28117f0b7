import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppendLog } from './append-log';

/** A disk of 3 MB that is really full. */
const dir = mkdtempSync(join(tmpdir(), 'virga-full-'));
const path = join(dir, 'journal');
const open = () => AppendLog.open<{ n: number; text?: string }>(path, (records) => records);
const numbers = () => readFileSync(path, 'utf8').split('\n').filter(Boolean).map((line) => (JSON.parse(line) as { n: number }).n);
const fill = () => {
  const { bavail, bsize } = statfsSync(dir);
  try { writeFileSync(join(dir, `filler-${Date.now()}-${Math.random()}`), Buffer.alloc(bavail * bsize)); } catch { /* full, as it shall be */ }
};
const empty = () => execFileSync('/bin/sh', ['-c', `rm -f ${dir}/filler-*`]);

beforeAll(() => { execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', dir]); });
afterAll(() => { execFileSync('umount', [dir]); rmSync(dir, { recursive: true }); });

it('is written to on a full disk, from the room that was kept for that', async () => {
  const log = await open();
  fill();
  expect(() => writeFileSync(join(dir, 'other'), Buffer.alloc(8192))).toThrow('ENOSPC');
  for (let n = 0; n < 40; n++) await log.append({ n, text: 'x'.repeat(1000) });
  expect(numbers()).toHaveLength(40);
  await log.close();
});

it('is opened on a full disk, and keeps room again once there is some', async () => {
  empty();
  await (await open()).close();
  expect(existsSync(`${path}.reserve`)).toBe(true);
  fill();
  const log = await open();
  await log.append({ n: 40 });
  expect(numbers().at(-1)).toBe(40);
  await log.close();
  empty();
  await (await open()).close();
  expect(existsSync(`${path}.reserve`)).toBe(true);
});

it('loses no record to one that the disk took only half of', async () => {
  const log = await open();
  await expect(log.append({ n: 99, text: 'x'.repeat(4 << 20) })).rejects.toThrow('ENOSPC');
  await log.append({ n: 41 });
  await log.close();
  expect(numbers().slice(-2)).toEqual([40, 41]);
});
