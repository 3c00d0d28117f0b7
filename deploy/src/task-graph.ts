/** A piece of work that starts when all of `after` have ended well. */
export interface Task {
  name: string;
  after: string[];
  /** Returns a few words on what came out, for the progress line. */
  work: () => Promise<string | void>;
}

export interface GraphWatcher {
  started(name: string): void;
  ended(name: string, ms: number, note: string | void): void;
  failed(name: string, ms: number, error: unknown): void;
}

export class GraphFailure extends Error {
  constructor(readonly failures: { task: string; error: unknown }[]) {
    super(failures.map(({ task, error }) => `${task}: ${error instanceof Error ? error.message : String(error)}`).join('\n'));
  }
}

/**
 * Runs tasks, as many at once as their order allows. After a failure nothing new is started; what runs is waited for,
 * and all failures are thrown together. Throws before anything runs if a task waits for itself or for an unknown one.
 */
export async function runGraph(tasks: Task[], watcher: GraphWatcher, now: () => number = Date.now): Promise<void> {
  checkOrder(tasks);
  const done = new Set<string>();
  const running = new Map<string, Promise<void>>();
  const failures: { task: string; error: unknown }[] = [];
  let waiting = [...tasks];
  while (running.size > 0 || (waiting.length > 0 && failures.length === 0)) {
    if (failures.length === 0) {
      const ready = waiting.filter((task) => task.after.every((name) => done.has(name)));
      waiting = waiting.filter((task) => !ready.includes(task));
      for (const task of ready) running.set(task.name, launch(task));
    }
    await Promise.race(running.values());
  }
  if (failures.length > 0) throw new GraphFailure(failures);

  async function launch(task: Task): Promise<void> {
    const began = now();
    watcher.started(task.name);
    try {
      const note = await task.work();
      done.add(task.name);
      watcher.ended(task.name, now() - began, note);
    } catch (error) {
      failures.push({ task: task.name, error });
      watcher.failed(task.name, now() - began, error);
    } finally {
      running.delete(task.name);
    }
  }
}

/** The same without waits for what is not among them. */
export function amongThemselves<T extends Pick<Task, 'name' | 'after'>>(tasks: readonly T[]): T[] {
  const here = new Set(tasks.map(({ name }) => name));
  return tasks.map((task) => ({ ...task, after: task.after.filter((name) => here.has(name)) }));
}

/** Names in an order in which each comes behind all that it waits for. Throws on doubles, unknown names and circles. */
export function checkOrder(tasks: Pick<Task, 'name' | 'after'>[]): string[] {
  const byName = new Map(tasks.map((task) => [task.name, task]));
  if (byName.size !== tasks.length) throw new Error('two tasks have the same name');
  const order: string[] = [];
  const entered = new Set<string>();
  const visit = (name: string, from: string): void => {
    if (order.includes(name)) return;
    const task = byName.get(name);
    if (!task) throw new Error(`${from} waits for ${name}, which does not exist`);
    if (entered.has(name)) throw new Error(`${name} waits for itself`);
    entered.add(name);
    for (const before of task.after) visit(before, name);
    order.push(name);
  };
  for (const { name } of tasks) visit(name, name);
  return order;
}

/** The named tasks and all that they wait for. Throws on an unknown name. */
export function neededFor<T extends Pick<Task, 'name' | 'after'>>(names: string[], tasks: T[]): T[] {
  const wanted = new Set<string>();
  const visit = (name: string): void => {
    if (wanted.has(name)) return;
    const task = tasks.find((candidate) => candidate.name === name);
    if (!task) throw new Error(`there is no ${name}; there are: ${tasks.map((candidate) => candidate.name).join(', ')}`);
    wanted.add(name);
    task.after.forEach(visit);
  };
  names.forEach(visit);
  return tasks.filter((task) => wanted.has(task.name));
}

/** Makes functions wait for each other, in the order in which they are called. */
export function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work, work);
    last = mine.catch(() => undefined);
    return mine;
  };
}
