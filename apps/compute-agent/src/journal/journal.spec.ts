import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandReport, HostCommand } from '@virga/contracts';
import { Journal } from './journal';

const dir = mkdtempSync(join(tmpdir(), 'virga-journal-'));
const path = join(dir, 'journal');
afterAll(() => rmSync(dir, { recursive: true }));

const command = (commandId: string, generation = 1): HostCommand => ({ commandId, operationId: 'o', step: 's', generation, instanceId: 'i', verb: 'start', args: {} });
const report = (commandId: string): CommandReport => ({ hostId: 'h', commandId, operationId: 'o', instanceId: 'i', generation: 1, ok: true });

it('remembers across a restart what was begun, ended and delivered', async () => {
  const first = await Journal.open(path);
  await first.begin(command('a'));
  await first.begin(command('b', 7));
  await first.begin(command('c'));
  await first.end(report('a'));
  await first.end(report('b'));
  await first.delivered('a');
  await first.close();
  const second = await Journal.open(path);
  expect(second.unfinished().map(({ commandId }) => commandId)).toEqual(['c']);
  expect(second.undelivered().map(({ commandId }) => commandId)).toEqual(['b']);
  expect(second.find('a')).toMatchObject({ delivered: true, report: { ok: true } });
  expect([second.generation('i'), second.generation('other')]).toEqual([7, 0]);
  await second.close();
});

it('survives a torn last line and keeps generations of forgotten commands', async () => {
  appendFileSync(path, '{"kind":"begin","comm');
  const journal = await Journal.open(path);
  expect(journal.unfinished()).toHaveLength(1);
  for (let n = 0; n < 2100; n++) {
    await journal.begin(command(`n${n}`, 9));
    await journal.end(report(`n${n}`));
    await journal.delivered(`n${n}`);
  }
  await journal.close();
  const again = await Journal.open(path);
  expect(again.find('n0')).toBeUndefined();
  expect(again.find('n2099')).toBeDefined();
  expect(again.generation('i')).toBe(9);
  expect(readFileSync(path, 'utf8').split('\n').length).toBeLessThan(6100);
  await again.close();
  // 6,300 records, each of which is on disk before the next.
}, 120_000);
