import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppendLog } from './append-log';

const dir = mkdtempSync(join(tmpdir(), 'virga-log-'));
const path = join(dir, 'log');
const written = () => readFileSync(path, 'utf8').replaceAll('\0', '');
afterAll(() => rmSync(dir, { recursive: true }));

it('keeps the order of many writers, each on disk when its append resolves', async () => {
  const log = await AppendLog.open<{ n: number }>(path, (records) => records);
  await Promise.all(Array.from({ length: 200 }, async (_, n) => {
    await log.append({ n });
    expect(readFileSync(path, 'utf8')).toContain(`{"n":${n}}\n`);
  }));
  await log.close();
  expect(written().trim().split('\n').map((line) => (JSON.parse(line) as { n: number }).n)).toEqual(Array.from({ length: 200 }, (_, n) => n));
});

it('gives what is there to be digested, a torn line left out, and keeps what the digest says', async () => {
  writeFileSync(path, `${written()}{"n":`);
  let seen = 0;
  const log = await AppendLog.open<{ n: number }>(path, (records) => { seen = records.length; return records.slice(-2); });
  await log.append({ n: 7 });
  await log.close();
  expect(seen).toBe(200);
  expect(written()).toBe('{"n":198}\n{"n":199}\n{"n":7}\n');
});

it('tells every writer when the disk refuses', async () => {
  const log = await AppendLog.open<{ n: number }>(path, () => []);
  await log.close();
  expect((await Promise.allSettled([log.append({ n: 1 }), log.append({ n: 2 })])).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});
