import { readFileSync } from 'node:fs';
import { PLANTED_BUGS } from './planted-bugs';
import { runSchedule, type Outcome } from './schedule';
import type { FaultCounts } from './simulated-process';
import { installWorlds, World } from './world';

const SEED = Number(process.env.SIMULATE_SEED ?? 20261125);
const SCHEDULES = Number(process.env.SIMULATE_SCHEDULES ?? 200);
const REPLAY = process.env.SIMULATE_REPLAY;

const WORLDS = Number(process.env.SIMULATE_WORLDS ?? 4);

const uninstall = installWorlds();
const worlds: World[] = [];
beforeAll(async () => { for (let count = 0; count < WORLDS; count++) worlds.push(await World.open()); }, 300_000);
afterAll(async () => {
  for (const world of worlds) await world.close();
  uninstall();
});

it(`holds every invariant after ${SCHEDULES} schedules of faults`, async () => {
  const seeds = REPLAY === undefined ? Array.from({ length: SCHEDULES }, (_, index) => SEED + index) : [Number(REPLAY)];
  const sum = { schedules: 0, accepted: 0, operations: 0, statements: 0, violations: 0, repaired: 0, faults: {} as FaultCounts, ends: {} as Record<string, number> };
  const failed: Outcome[] = [];
  const before = cpuSeconds(worlds);
  // One world waits for its database while another works.
  await Promise.all(worlds.map(async (world) => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      const outcome = await runSchedule(world, seed);
      sum.schedules++;
      for (const what of ['accepted', 'operations', 'statements', 'repaired'] as const) sum[what] += outcome[what];
      for (const [kind, count] of Object.entries(outcome.faults) as [keyof FaultCounts, number][]) sum.faults[kind] = (sum.faults[kind] ?? 0) + count;
      for (const [end, count] of Object.entries(outcome.ends)) sum.ends[end] = (sum.ends[end] ?? 0) + count;
      if (outcome.wrong.length > 0) {
        sum.violations++;
        failed.push(outcome);
        process.stderr.write(`seed ${seed}, ${outcome.statements} statements: ${outcome.wrong.join('; ')}\n`);
      }
      if (sum.schedules % 50 === 0) process.stderr.write(`${JSON.stringify(sum)}\n`);
    }
  }));
  process.stderr.write(`${JSON.stringify({ ...sum, cpuSeconds: cpuSeconds(worlds) - before })}\n`);
  expect(failed).toEqual([]);
}, 24 * 3_600_000);

/** Within so many seeds each planted bug must be found; most are in the first few. */
const SEEDS = 150;

describe('a planted bug is found', () => {
  it.each(Object.entries(PLANTED_BUGS))('%s', async (name, { finds, ...bug }) => {
    const found: Outcome[] = [];
    const seeds = Array.from({ length: SEEDS }, (_, index) => index + 1);
    await Promise.all(worlds.map(async (world) => {
      for (let seed = seeds.shift(); seed !== undefined && found.length === 0; seed = seeds.shift()) {
        const outcome = await runSchedule(world, seed, bug);
        if (outcome.wrong.some((one) => finds.test(one)) && (!bug.favours || outcome.faults[bug.favours])) {
          found.push(outcome);
          process.stderr.write(`${name}: seed ${seed}\n`);
        }
      }
    }));
    expect(found).not.toEqual([]);
  }, 300_000);
});

it('takes the same course again with the same seed, whatever ran before', async () => {
  const seeds = [5, 11, 112, SEED];
  const [there, back] = await Promise.all([seeds, [...seeds].reverse()].map(async (order, index) => {
    const outcomes: Outcome[] = [];
    for (const seed of order) outcomes.push(await runSchedule(worlds[index]!, seed));
    return outcomes;
  }));
  expect(back!.reverse()).toEqual(there);
}, 300_000);

/** Of this process and the databases. */
function cpuSeconds(all: World[]): number {
  const { user, system } = process.cpuUsage();
  const ticks = all.map(({ mariadb }) => { const stat = readFileSync(`/proc/${mariadb.pid()}/stat`, 'utf8').split(') ')[1]!.split(' '); return Number(stat[11]) + Number(stat[12]); });
  return Math.round((user + system) / 1e6 + ticks.reduce((sum, one) => sum + one, 0) / 100);
}
