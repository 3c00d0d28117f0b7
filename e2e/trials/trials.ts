import { setTimeout as sleep } from 'node:timers/promises';
import { execute, until } from '../cloud';
import { doubledGuests } from '../chaos/kills';
import { Random } from '../chaos/random';
import { reset, silence, type Ends } from './disturbances';
import type { TrialOptions } from './options';
import { bootIdOf, Echo, Ping } from './probes';
import { LOOK_MS, type Guest, type TrialCloud } from './trial-cloud';

/** One run of a trial: what is to be seen of it in the table, and what was wrong. */
export interface Run { cells: (string | number)[]; wrong: string[] }
export interface Trial { title: string; head: string[]; runs: Run[] }

const CUT_MS = 3000;
/** After the switch was seen. */
const CUT_AFTER_MS = 300;
const seconds = (value: number): string => value.toFixed(1);

const endsOf = async (cloud: TrialCloud, guest: Guest): Promise<Ends> => {
  const host = await cloud.hostOf(guest);
  return { source: cloud.plan(host), destination: cloud.other(host) };
};

/** Whoever is not what it was: where, whether booted again, whether its connection lives, how often it runs. */
async function lookOver(cloud: TrialCloud, guest: Guest, echo: Echo | undefined): Promise<string[]> {
  const wrong: string[] = [];
  const bootId = await until('the guest to answer', () => bootIdOf(guest.address).catch(() => undefined), 60_000, 500).catch(() => undefined);
  if (bootId !== guest.bootId) wrong.push(bootId === undefined ? 'the guest does not answer' : 'the guest was booted again');
  if (echo) {
    const before = echo.echoed;
    await until('the stream to go on', async () => echo.echoed > before + 5 || echo.broken !== undefined, 60_000, LOOK_MS).catch(() => wrong.push('the TCP stream stands still'));
    if (echo.broken !== undefined) wrong.push(`TCP stream: ${echo.broken}`);
  }
  if ((await doubledGuests(cloud.site)).length > 0) wrong.push('two copies run');
  return [...wrong, ...await cloud.untilClean()];
}

async function switched(cloud: TrialCloud, { source }: Ends, guest: Guest): Promise<boolean> {
  return until('the switch to post-copy or the end', async () => {
    const standing = await cloud.standing(source, guest);
    return standing.includes('post-copy') ? 'yes' : standing === '' && 'no';
  }, 120_000, 50).then((seen) => seen === 'yes');
}

/** Interrupts post-copy in the given way; the guest is to come through it by itself. */
async function cut(cloud: TrialCloud, options: TrialOptions, how: (ends: Ends, ms: number) => Promise<void>, title: string): Promise<Trial> {
  const runs: Run[] = [];
  await cloud.rate('200mbit');
  const guest = await cloud.boot('trial-cut', { ram: 384, dirty: '128,400' });
  for (let number = 1; number <= options.count; number++) {
    const ends = await endsOf(cloud, guest);
    const echo = new Echo(guest.address);
    const began = Date.now();
    await cloud.beginMigration(guest);
    const hit = await switched(cloud, ends, guest);
    await sleep(CUT_AFTER_MS);
    const cutAt = Date.now();
    await how(ends, CUT_MS);
    const end = await cloud.ended(guest, began);
    const wrong = await lookOver(cloud, guest, echo);
    echo.stop();
    if (!hit) wrong.push('it ended before the switch: nothing was interrupted');
    if (end.status !== 'completed' || end.host !== ends.destination.name) wrong.push(`${end.status}, on ${end.host}: ${end.fault ?? ''}`);
    runs.push({ cells: [number, `${ends.source.name} to ${ends.destination.name}`, seconds((cutAt - began) / 1000), seconds(end.seconds), end.status], wrong });
    cloud.say(`${title} ${number}: ${end.status} after ${seconds(end.seconds)} s ${wrong.join('; ')}`);
    if (end.status !== 'completed') break;
  }
  await cloud.remove(guest);
  await cloud.rate('unlimited');
  return { title, head: ['run', 'way', 'cut at s', 'whole time s', 'migration'], runs };
}

/** A guest that dirties more than the link carries, by pre-copy alone and then as the monitor decides. */
async function busy(cloud: TrialCloud, options: TrialOptions): Promise<Trial> {
  const runs: Run[] = [];
  await cloud.rate('1gbit');
  const guest = await cloud.boot('trial-busy', { ram: 384, dirty: '128,400' });
  const rateNow = async () => Number([...(await cloud.consoleLog(guest)).matchAll(/VIRGA-DIRTY mb=128 want=400 rate=([0-9.]+)/g)].at(-1)?.[1] ?? 0);
  const measured = await until('the guest to print its rate', async () => (await rateNow()) || undefined, 60_000, 1000);
  const one = async (kind: string, judge: (status: string, seconds: number) => string | undefined) => {
    const echo = new Echo(guest.address);
    const began = Date.now();
    await cloud.beginMigration(guest);
    const end = await cloud.ended(guest, began);
    const wrong = await lookOver(cloud, guest, echo);
    echo.stop();
    const misjudged = judge(end.status, end.seconds);
    if (misjudged !== undefined) wrong.push(misjudged);
    runs.push({ cells: [kind, seconds(end.seconds), end.status], wrong });
    cloud.say(`busy, ${kind}: ${end.status} after ${seconds(end.seconds)} s ${wrong.join('; ')}`);
  };
  await cloud.setConductor({ VIRGA_COMPUTE_MIGRATION_POST_COPY: 'false', VIRGA_COMPUTE_MIGRATION_DEADLINE_SECONDS: '40' });
  await one('pre-copy alone, 40 s', (status) => (status === 'completed' ? 'it ended' : undefined));
  await cloud.setConductor(undefined);
  for (let number = 1; number <= options.count; number++) {
    await one(`automatic ${number}`, (status, took) => (status !== 'completed' ? `it did not end well: ${status}` : took > 15 ? 'slower than 15 s' : undefined));
  }
  await cloud.remove(guest);
  await cloud.rate('unlimited');
  return { title: `A guest of 384 MB that dirties 128 MB at 400 MB/s (it printed ${measured}), links of 1 Gb/s`, head: ['what', 'whole time s', 'migration'], runs };
}

async function kills(cloud: TrialCloud, options: TrialOptions): Promise<Trial> {
  const runs: Run[] = [];
  await cloud.rate('200mbit');
  let guest = await cloud.boot('trial-kills', { ram: 384, dirty: '128,400' });
  for (const role of options.parts) {
    const moments = new Random(`trials/${role}`);
    for (let number = 1; number <= options.count; number++) {
      const { source, destination } = await endsOf(cloud, guest);
      const part = role.replace(/^source/, source.name).replace(/^destination/, destination.name);
      const began = Date.now();
      await cloud.beginMigration(guest);
      await until('the migration to run', async () => /running/.test((await cloud.migration(guest)).status) || undefined, 60_000, 100);
      const after = moments.int(9000);
      await sleep(after);
      const standing = await cloud.standing(source, guest);
      await cloud.kill(part);
      const wrong: string[] = [];
      const end = await cloud.ended(guest, began).catch((error: unknown) => { wrong.push(String(error)); return undefined; });
      if (end?.state === 'ACTIVE') wrong.push(...await lookOver(cloud, guest, undefined));
      else {
        wrong.push(`server ${end?.state}: ${end?.fault ?? ''}`);
        await cloud.remove(guest);
        wrong.push(...await cloud.untilClean());
        guest = await cloud.boot('trial-kills', { ram: 384, dirty: '128,400' });
      }
      runs.push({ cells: [role, number, seconds(after / 1000), standing || 'gone', end?.status ?? 'never', seconds(end?.seconds ?? (Date.now() - began) / 1000)], wrong });
      cloud.say(`kill of ${part} ${number} (${standing}): ${end?.status}, ${end?.state} ${wrong.join('; ')}`);
    }
  }
  await cloud.remove(guest);
  await cloud.rate('unlimited');
  return { title: 'kill -9 in mid-migration', head: ['part', 'run', 'after s', 'the source then', 'migration', 'whole time s'], runs };
}

async function shuttle(cloud: TrialCloud, { shuttles }: TrialOptions): Promise<Trial> {
  const guest = await cloud.boot('trial-shuttle', { writes: true });
  const [ping, echo] = [new Ping(guest.address), new Echo(guest.address)];
  const [took, gaps, wrong]: [number[], number[], string[]] = [[], [], []];
  for (let number = 1; number <= shuttles && wrong.length === 0; number++) {
    const { destination } = await endsOf(cloud, guest);
    ping.takeLongest();
    const began = Date.now();
    await cloud.beginMigration(guest);
    const end = await cloud.ended(guest, began);
    took.push(end.seconds);
    if (end.status !== 'completed' || end.host !== destination.name) wrong.push(`migration ${number}: ${end.status}, on ${end.host}: ${end.fault ?? ''}`);
    const before = ping.replies;
    await until('pings', async () => ping.replies > before + 3, 30_000, LOOK_MS).catch(() => wrong.push(`migration ${number}: no answer to pings`));
    gaps.push(ping.takeLongest());
    if (echo.broken !== undefined) wrong.push(`migration ${number}: TCP stream: ${echo.broken}`);
    if (number % 10 === 0) cloud.say(`shuttle: ${number} migrations`);
  }
  wrong.push(...await lookOver(cloud, guest, echo));
  if ((await cloud.consoleLog(guest)).includes('TRIAL-WRITE-LOST')) wrong.push('a write to its disk was lost');
  ping.stop();
  echo.stop();
  await cloud.remove(guest);
  const [sorted, sortedGaps] = [took, gaps].map((values) => [...values].sort((a, b) => a - b)) as [number[], number[]];
  const at = (values: number[], share: number) => (values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0).toFixed(2);
  return {
    title: 'There and back under ping, one TCP stream and disk writes', head: ['migrations', 'time s: median', 'worst', 'longest gap of pings s: median', 'worst'],
    runs: [{ cells: [took.length, at(sorted, 0.5), at(sorted, 1), at(sortedGaps, 0.5), at(sortedGaps, 1)], wrong }],
  };
}

async function drain(cloud: TrialCloud): Promise<Trial> {
  const host = cloud.site.hosts[0]!.name;
  const guests = await Promise.all(Array.from({ length: 6 }, (_, number) => cloud.boot(`trial-drain-${number + 1}`, { ram: 128, host })));
  const runs: Run[] = [];
  for (const [verb, on] of [['drain', cloud.other(host).name], ['restore', host]] as const) {
    const began = Date.now();
    const { code, stdout } = await execute('./virga', ['host', verb, host, '--state', cloud.site.state]);
    const took = (Date.now() - began) / 1000;
    const wrong = code === 0 ? [] : [`exit code ${code}: ${stdout.trim()}`];
    for (const guest of guests) {
      const now = await cloud.hostOf(guest);
      if (now !== on) wrong.push(`${guest.name} is on ${now}`);
      wrong.push(...await lookOver(cloud, guest, undefined));
    }
    runs.push({ cells: [verb, guests.length, seconds(took), code], wrong });
    cloud.say(`${verb}: ${seconds(took)} s ${wrong.join('; ')}`);
  }
  for (const guest of guests) await cloud.remove(guest);
  return { title: 'A host with six guests is drained and restored', head: ['verb', 'guests', 'time s', 'exit code'], runs };
}

export const TRIAL_TABLE: Record<TrialOptions['only'][number], (cloud: TrialCloud, options: TrialOptions) => Promise<Trial>> = {
  busy,
  silent: (cloud, options) => cut(cloud, options, silence, `The source's link is down for ${CUT_MS / 1000} s after the switch`),
  reset: (cloud, options) => cut(cloud, options, reset, `Packets to the destination are answered with TCP resets for ${CUT_MS / 1000} s after the switch`),
  kills,
  shuttle,
  drain,
};
