import { checkOrder, GraphFailure, neededFor, oneAtATime, runGraph, type GraphWatcher, type Task } from './task-graph';

const silent: GraphWatcher = { started: () => undefined, ended: () => undefined, failed: () => undefined };
const tick = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

describe('runGraph', () => {
  it('starts what is independent at once and the rest behind what it waits for', async () => {
    const log: string[] = [];
    const task = (name: string, after: string[] = []): Task => ({ name, after, work: async () => { log.push(`+${name}`); await tick(); log.push(`-${name}`); } });
    await runGraph([task('c', ['a', 'b']), task('a'), task('b')], silent);
    expect(log).toEqual(['+a', '+b', '-a', '-b', '+c', '-c']);
  });

  it('starts nothing new after a failure, waits for what runs, and reports every failure', async () => {
    const log: string[] = [];
    const failing = (name: string, after: string[] = []): Task => ({ name, after, work: async () => { await tick(); throw new Error(`${name} broke`); } });
    const slow: Task = { name: 'slow', after: [], work: async () => { await tick(); await tick(); log.push('slow ended'); } };
    const never: Task = { name: 'never', after: ['slow'], work: async () => { log.push('never'); } };
    const failure = await runGraph([failing('x'), failing('y'), slow, never], silent).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(GraphFailure);
    expect((failure as GraphFailure).failures.map(({ task }) => task)).toEqual(['x', 'y']);
    expect((failure as GraphFailure).message).toContain('x broke');
    expect(log).toEqual(['slow ended']);
  });

  it('refuses circles, doubles and unknown names before anything runs', async () => {
    const work = jest.fn();
    const run = (tasks: Task[]): Promise<void> => runGraph(tasks, silent);
    await expect(run([{ name: 'a', after: ['b'], work }, { name: 'b', after: ['a'], work }])).rejects.toThrow('waits for itself');
    await expect(run([{ name: 'a', after: ['z'], work }])).rejects.toThrow('waits for z, which does not exist');
    await expect(run([{ name: 'a', after: [], work }, { name: 'a', after: [], work }])).rejects.toThrow('same name');
    expect(work).not.toHaveBeenCalled();
  });
});

describe('checkOrder', () => {
  it('puts each behind all that it waits for', () => {
    expect(checkOrder([{ name: 'c', after: ['b'] }, { name: 'b', after: ['a'] }, { name: 'a', after: [] }])).toEqual(['a', 'b', 'c']);
  });
});

describe('neededFor', () => {
  const tasks = [{ name: 'a', after: [] }, { name: 'b', after: ['a'] }, { name: 'c', after: ['b'] }, { name: 'd', after: ['a'] }];
  it('takes what the named ones wait for, and nothing else', () => {
    expect(neededFor(['c'], tasks).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect(() => neededFor(['x'], tasks)).toThrow('there is no x; there are: a, b, c, d');
  });
});

describe('oneAtATime', () => {
  it('goes on after a failure, which only its own caller sees', async () => {
    const log: string[] = [];
    const inTurn = oneAtATime();
    const first = inTurn(async () => { await tick(); log.push('first'); throw new Error('broke'); });
    const second = inTurn(async () => { log.push('second'); return 2; });
    await expect(first).rejects.toThrow('broke');
    await expect(second).resolves.toBe(2);
    expect(log).toEqual(['first', 'second']);
  });
});
