import { silentLogger } from './logger';
import { PeriodicWork, type Period } from './periodic-work';

class Counted extends PeriodicWork {
  begun = 0;
  constructor(period: Omit<Period, 'failed'>, private readonly then: (count: number) => Promise<void> = async () => undefined) {
    super({ ...period, failed: 'not done' }, silentLogger);
  }
  protected async work(): Promise<void> { await this.then(++this.begun); }
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

it('begins at once, goes on after a failure, and once however often it is started', async () => {
  let third!: () => void;
  const reached = new Promise<void>((resolve) => { third = resolve; });
  const work = new Counted({ everyMs: 1 }, async (count) => {
    if (count === 1) throw new Error('first');
    if (count === 3) third();
  });
  work.start();
  work.start();
  expect(work.begun).toBe(1);
  await reached;
  await work.stop();
  const ended = work.begun;
  await turn();
  expect(work.begun).toBe(ended);
});

it('is stopped while it waits for the first, without doing it', async () => {
  const work = new Counted({ everyMs: 3_600_000, waitFirst: true });
  work.start();
  await turn();
  await work.stop();
  expect(work.begun).toBe(0);
});

it('ends what is under way before it is stopped', async () => {
  let go!: () => void;
  let done = false;
  const work = new Counted({ everyMs: 3_600_000 }, async () => { await new Promise<void>((resolve) => { go = resolve; }); done = true; });
  work.start();
  const stopped = work.stop();
  await turn();
  go();
  await stopped;
  expect(done).toBe(true);
});
