import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, unavailable } from '@virga/core';
import type { CommandReport, HostCommand } from '@virga/contracts';
import { NotConnectedError } from '@virga/ovsdb';
import { Journal } from '../journal/journal';
import { CommandRunner, type VerbTable } from './command-runner';

const dir = mkdtempSync(join(tmpdir(), 'virga-runner-'));
const journals: Journal[] = [];
afterAll(async () => {
  await Promise.all(journals.map((journal) => journal.close()));
  rmSync(dir, { recursive: true });
});
let files = 0;

const command = (commandId: string, over: Partial<HostCommand> = {}): HostCommand => ({ commandId, operationId: 'o', step: 's', generation: 1, instanceId: 'i', verb: 'start', args: {}, ...over });

async function setUp(verbs: Partial<VerbTable>) {
  const journal = await Journal.open(join(dir, `journal${files++}`));
  journals.push(journal);
  const reports: CommandReport[] = [];
  const table = new Proxy(verbs, { get: (own, verb: keyof VerbTable) => own[verb] ?? (() => Promise.reject(new Error(`no ${verb}`))) }) as VerbTable;
  const runner = new CommandRunner('h', journal, table, (report) => reports.push(report), silentLogger);
  const settled = async () => { while (runner.isBusy('i')) await new Promise((resolve) => setImmediate(resolve)); };
  return { journal, reports, runner, settled };
}

it('runs a command once and answers its repeat from the journal', async () => {
  let runs = 0;
  const { runner, reports, settled } = await setUp({ start: () => Promise.resolve({ powerState: ++runs }) });
  await runner.accept(command('a'));
  await settled();
  await runner.accept(command('a'));
  expect(runs).toBe(1);
  expect(reports).toEqual([expect.objectContaining({ ok: true, result: { powerState: 1 } }), expect.objectContaining({ commandId: 'a', result: { powerState: 1 } })]);
});

it('refuses an older generation without a report', async () => {
  const { runner, reports, settled } = await setUp({ start: () => Promise.resolve({}) });
  await runner.accept(command('new', { generation: 5 }));
  await settled();
  await runner.accept(command('old', { generation: 4 }));
  await settled();
  expect(reports.map(({ commandId }) => commandId)).toEqual(['new']);
});

it('refuses an older generation that comes while a newer one is being written down', async () => {
  const { journal, runner, reports, settled } = await setUp({ start: () => Promise.resolve({}) });
  await Promise.all([runner.accept(command('new', { generation: 2 })), runner.accept(command('old'))]);
  await settled();
  expect(reports.map(({ commandId }) => commandId)).toEqual(['new']);
  expect(journal.find('old')).toBeUndefined();
});

it('ends a running command when a newer generation comes, and runs the newer one after it', async () => {
  const order: string[] = [];
  const { runner, reports, settled } = await setUp({
    start: (_id, _args, signal) => new Promise((_, reject) => signal.addEventListener('abort', () => { order.push('aborted'); reject(signal.reason as Error); })),
    destroy: () => { order.push('destroyed'); return Promise.resolve({}); },
  });
  await runner.accept(command('slow'));
  await new Promise((resolve) => setImmediate(resolve));
  await runner.accept(command('delete', { generation: 2, verb: 'destroy' }));
  await settled();
  expect(order).toEqual(['aborted', 'destroyed']);
  expect(reports.map(({ commandId, ok }) => [commandId, ok])).toEqual([['slow', false], ['delete', true]]);
});

it('finishes after a restart what was begun, and reports what was not taken', async () => {
  const first = await setUp({});
  await first.journal.begin(command('begun'));
  await first.journal.begin(command('ended', { instanceId: 'j' }));
  await first.journal.end({ hostId: 'h', commandId: 'ended', operationId: 'o', instanceId: 'j', generation: 1, ok: true });
  const reports: CommandReport[] = [];
  const runner = new CommandRunner('h', first.journal, { start: () => Promise.resolve({ again: true }) } as unknown as VerbTable, (report) => reports.push(report), silentLogger);
  runner.recover();
  while (runner.isBusy('i')) await new Promise((resolve) => setImmediate(resolve));
  expect(reports.map(({ commandId, ok }) => [commandId, ok])).toEqual([['ended', true], ['begun', true]]);
});

it.each([
  ['an unknown verb', { verb: 'explode' }, /does not know the verb explode/],
  ['a name of Object', { verb: 'constructor' }, /does not know the verb/],
  ['malformed arguments', { verb: 'stop', args: { timeoutSeconds: 'soon' } }, /arguments of stop are malformed/],
])('reports %s as a failure', async (_, over, message) => {
  const { runner, reports, settled } = await setUp({});
  await runner.accept(command('x', over));
  await settled();
  expect(reports[0]).toMatchObject({ ok: false, error: { retryable: false, message: expect.stringMatching(message) as string } });
});

describe('a clean-up', () => {
  it('is refused when a newer generation was seen since it was decided', async () => {
    const { runner, settled } = await setUp({ start: () => Promise.resolve({}) });
    await runner.accept(command('new', { generation: 5 }));
    await settled();
    let done = false;
    await expect(runner.exclusively('i', 4, async () => { done = true; })).rejects.toMatchObject({ kind: 'conflict' });
    expect(done).toBe(false);
    await runner.exclusively('i', 5, async () => { done = true; });
    expect(done).toBe(true);
  });

  it('is refused while a command runs, and a command that comes meanwhile waits for it', async () => {
    const order: string[] = [];
    let finishBuild = () => { /* set below */ };
    const { runner, settled } = await setUp({
      build: () => Promise.resolve({}),
      start: () => new Promise((resolve) => { finishBuild = () => resolve({}); }),
      stop: () => { order.push('stopped'); return Promise.resolve({}); },
    });
    await runner.accept(command('slow'));
    await new Promise((resolve) => setImmediate(resolve));
    await expect(runner.exclusively('i', 1, async () => { order.push('cleaned'); })).rejects.toMatchObject({ kind: 'conflict' });
    finishBuild();
    await settled();
    let finishCleaning = () => { /* set below */ };
    const cleaning = runner.exclusively('i', 1, () => new Promise<void>((resolve) => { finishCleaning = () => { order.push('cleaned'); resolve(); }; }));
    await runner.accept(command('next', { verb: 'stop', args: { timeoutSeconds: 0 } }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual([]);
    finishCleaning();
    await cleaning;
    await settled();
    expect(order).toEqual(['cleaned', 'stopped']);
  });
});

it('waits for a part of the host that is away, and goes on when it is back', async () => {
  let tries = 0;
  const { runner, reports, settled } = await setUp({
    start: () => (++tries < 3 ? Promise.reject(tries === 1 ? unavailable('The hypervisor is not there.') : new NotConnectedError()) : Promise.resolve({ powerState: 1 })),
    stop: () => Promise.reject(new Error('the guest refuses')),
  });
  await runner.accept(command('a'));
  await settled();
  expect([tries, reports.map(({ ok }) => ok)]).toEqual([3, [true]]);
  await runner.accept(command('b', { verb: 'stop', args: { timeoutSeconds: 0 } }));
  await settled();
  expect(reports.at(-1)).toMatchObject({ ok: false, error: { message: 'the guest refuses' } });
});

describe('a cancel', () => {
  const untilAborted = (_id: string, _args: unknown, signal: AbortSignal) =>
    new Promise<Record<string, unknown>>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

  it('ends the command that runs, and no other', async () => {
    const { runner, reports, settled } = await setUp({ start: untilAborted });
    await runner.accept(command('slow'));
    await new Promise((resolve) => setImmediate(resolve));
    runner.cancel('i', 'other');
    expect(reports).toEqual([]);
    runner.cancel('i', 'slow');
    await settled();
    expect(reports).toEqual([expect.objectContaining({ commandId: 'slow', ok: false, error: { message: 'Cancelled.', retryable: false } })]);
  });

  it('keeps a command that waits its turn from beginning', async () => {
    let stopped = false;
    const { runner, reports, settled } = await setUp({ start: untilAborted, stop: () => { stopped = true; return Promise.resolve({}); } });
    await runner.accept(command('slow'));
    await runner.accept(command('next', { verb: 'stop', args: { timeoutSeconds: 0 } }));
    await new Promise((resolve) => setImmediate(resolve));
    runner.cancel('i', 'next');
    runner.cancel('i', 'slow');
    await settled();
    expect(stopped).toBe(false);
    expect(reports.map(({ commandId, ok }) => [commandId, ok])).toEqual([['slow', false], ['next', false]]);
  });

  it('that comes too late, or too early, changes nothing', async () => {
    const { runner, reports, settled } = await setUp({ start: () => Promise.resolve({}) });
    runner.cancel('i', 'a');
    await runner.accept(command('a'));
    await settled();
    runner.cancel('i', 'a');
    await runner.accept(command('a'));
    expect(reports.map(({ ok }) => ok)).toEqual([true, true]);
  });
});
