import type { MigrationStanding } from '@virga/contracts';
import { conflict, silentLogger, unavailable } from '@virga/core';
import type { MigrationDriver, MigrationJob, MigrationPlan } from '../virt/virt-driver';
import { LiveMigration } from './migrate-live';
import type { MigrationHost } from './migration-host';

const SERVER = '00000000-0000-4000-8000-000000000001';
const running: MigrationJob = {
  iteration: 1, memoryTotal: 100, memoryProcessed: 10, memoryRemaining: 90, diskTotal: 0, diskProcessed: 0, diskRemaining: 0, dirtyRate: 0, bandwidth: 50, downtime: undefined, elapsed: 10,
};

/** A hypervisor that does what its script says, one line a look; the call that sends the guest ends when the script does. */
class Scripted implements MigrationDriver {
  readonly did: string[] = [];
  begun: string | undefined;
  private index = 0;
  private ends: (() => void)[] = [];

  constructor(private readonly script: (MigrationJob | MigrationStanding | Error | (() => void))[], private readonly sent: (Error | undefined)[] = []) {}

  private next(): MigrationJob | MigrationStanding {
    const line = this.script[Math.min(this.index, this.script.length - 1)]!;
    this.index++;
    if (typeof line === 'function') { line(); return this.next(); }
    if (line instanceof Error) throw line;
    return line;
  }

  async send(_id: string, { resume, copyDisks }: MigrationPlan): Promise<void> {
    this.did.push(resume ? 'resume' : copyDisks ? 'send' : 'send without disks');
    await new Promise<void>((resolve) => this.ends.push(resolve));
    const error = this.sent.shift();
    if (error) throw error;
  }

  async job(): Promise<MigrationJob | undefined> {
    const seen = this.next();
    if (typeof seen === 'object') return seen;
    this.index--;
    for (const end of this.ends.splice(0)) end();
    await Promise.resolve();
    return undefined;
  }

  async standing(): Promise<MigrationStanding> {
    const seen = this.next();
    return typeof seen === 'string' ? seen : 'moving';
  }

  finalJob = (): undefined => undefined;
  async switchToPostCopy(): Promise<boolean> { this.did.push('post-copy'); return true; }
  async allowDowntime(): Promise<void> { this.did.push('downtime'); }
  async abort(): Promise<void> { this.did.push('abort'); }
  async refuseCpu(): Promise<undefined> { return undefined; }
}

const migrate = (driver: Scripted, { signal = new AbortController().signal, attempt = 1, recoverMs = 1000, told = [] as string[], shielded = [] as string[], mark, seen, streaming = [] }: Partial<{ streaming: boolean[]; signal: AbortSignal; attempt: number; recoverMs: number; told: string[]; shielded: string[]; mark: string; seen: string }> = {}) => {
  const host = {
    migrations: driver, logger: silentLogger, lookMs: 1, places: () => ({ instance: '/i', images: '/b' }),
    notes: { begun: async () => driver.begun, note: async (_id: string, note: string) => { driver.begun = note; } },
    storageMark: async () => mark, streaming: async () => streaming.shift() ?? false,
    shield: async (id: string) => { shielded.push(id); },
    tell: async ({ mode, stuck }: { mode: string; stuck?: boolean }) => { told.push(stuck ? 'stuck' : mode); return { forced: false }; },
  } as unknown as MigrationHost;
  return new LiveMigration(host, SERVER, {
    migrationId: 'm', attempt, destination: { uri: 'qemu+tls://x/system', address: 'x', places: { instance: '/j', images: '/c', ...(seen !== undefined && { storageSeen: seen }) } }, limits: { maxDowntimeMs: 500, deadlineMs: 60_000, postCopy: true, recoverMs },
  }, signal).run();
};

it('sends the guest away', async () => {
  const driver = new Scripted(['here', running, 'gone']);
  expect(await migrate(driver)).toEqual({ outcome: 'moved', reason: 'pre-copy' });
  expect(driver.did).toEqual(['send']);
});

it.each([[undefined, undefined, 'send'], ['a', undefined, 'send'], [undefined, 'a', 'send'], ['a', 'b', 'send'], ['a', 'a', 'send without disks']])('with the mark %s here and %s seen there: %s', async (mark, seen, did) => {
  const driver = new Scripted(['here', running, 'gone']);
  await migrate(driver, { ...(mark !== undefined && { mark }), ...(seen !== undefined && { seen }) });
  expect(driver.did).toEqual([did]);
});

it('watches again what was begun before, and begins another attempt anew', async () => {
  const driver = new Scripted(['here', running, 'here']);
  await expect(migrate(driver)).rejects.toThrow('The guest stayed on this host');
  const again = new Scripted([running, 'gone']);
  again.begun = driver.begun;
  expect(await migrate(again)).toMatchObject({ outcome: 'moved' });
  expect(again.did).toEqual([]);
  const second = new Scripted(['here', running, 'gone']);
  second.begun = driver.begun;
  expect(await migrate(second, { attempt: 2 })).toMatchObject({ outcome: 'moved' });
  expect(second.did).toEqual(['send']);
});

it('aborts when it is told to, before the switch', async () => {
  const abort = new AbortController();
  const driver = new Scripted(['here', running, () => abort.abort(conflict('Cancelled.')), running, 'here'], [conflict('aborted')]);
  await expect(migrate(driver, { signal: abort.signal })).rejects.toThrow('The guest stayed on this host: Cancelled.');
  expect(driver.did).toContain('abort');
});

it('aborts nothing after the switch, nor after a restart in the middle of it', async () => {
  const abort = new AbortController();
  abort.abort(conflict('Superseded by a newer operation.'));
  const told: string[] = [];
  const driver = new Scripted([{ ...running, switched: true }, { ...running, switched: true }, 'gone']);
  driver.begun = 'm/1';
  const shielded: string[] = [];
  expect(await migrate(driver, { signal: abort.signal, told, shielded })).toEqual({ outcome: 'moved', reason: 'post-copy' });
  expect(driver.did).toEqual([]);
  expect(told[0]).toBe('post-copy');
  // A process that was not there at the switch does it when it comes.
  expect(shielded).toEqual([SERVER]);
});

it('takes a broken post-copy up again until it is through, and never starts the guest here', async () => {
  const driver = new Scripted(['here', { ...running, switched: true }, 'broken', 'broken', { ...running, switched: true }, 'gone'], [unavailable('cut'), conflict('not yet')]);
  const told: string[] = [];
  expect(await migrate(driver, { recoverMs: 10_000, told })).toEqual({ outcome: 'moved', reason: 'post-copy' });
  expect(driver.did[0]).toBe('send');
  expect(driver.did.slice(1)).toEqual(['resume', 'resume']);
  expect(told).toContain('stuck');
});

it('takes nothing up, and lets no connection be closed, while memory still goes over', async () => {
  const driver = new Scripted(['here', { ...running, switched: true }, 'broken', 'broken', 'broken', 'broken', 'gone'], [unavailable('the daemons have lost each other')]);
  const told: string[] = [];
  expect(await migrate(driver, { recoverMs: 10_000, told, streaming: [true, true, true, true] })).toEqual({ outcome: 'moved', reason: 'post-copy' });
  expect(driver.did).toEqual(['send']);
  expect(told).not.toContain('stuck');
});

it('has the other end told when the call itself waits for an end that has not noticed', async () => {
  let end = (): void => undefined;
  const told = Object.assign([] as string[], { push(this: string[], word: string) { if (word === 'stuck') end(); this[this.length] = word; return this.length; } });
  const driver = new Scripted(['here']);
  driver.send = async (_id, { resume }) => { driver.did.push(resume ? 'resume' : 'send'); if (!resume) await new Promise<void>((resolve) => { end = resolve; }); };
  driver.job = async () => undefined;
  driver.standing = async () => (driver.did.length === 0 ? 'here' : driver.did.includes('resume') ? 'gone' : 'broken');
  expect(await migrate(driver, { told, recoverMs: 10_000 })).toMatchObject({ outcome: 'moved' });
  expect(driver.did).toEqual(['send', 'resume']);
});

it('has the other end told, too, when the half here is gone and the call still waits', async () => {
  let end = (): void => undefined;
  const told = Object.assign([] as string[], { push(this: string[], word: string) { if (word === 'stuck') end(); this[this.length] = word; return this.length; } });
  const driver = new Scripted(['here']);
  driver.send = async () => { driver.did.push('send'); await new Promise<void>((resolve) => { end = resolve; }); throw unavailable('cut'); };
  driver.job = async () => undefined;
  driver.standing = async () => (driver.did.length === 0 ? 'here' : 'off');
  expect(await migrate(driver, { told })).toMatchObject({ outcome: 'doubtful' });
});

it('says so when it cannot be taken up', async () => {
  expect(await migrate(new Scripted(['here', { ...running, switched: true }, 'broken']), { recoverMs: -1 })).toMatchObject({ outcome: 'broken' });
});

it('outlasts a restart of the daemon', async () => {
  const away = unavailable('The hypervisor is not there.');
  expect(await migrate(new Scripted(['here', running, away, away, running, away, 'gone']))).toMatchObject({ outcome: 'moved' });
});

it('calls nothing a failure that it does not understand', async () => {
  expect(await migrate(new Scripted(['here', running, new Error('odd')]))).toEqual({ outcome: 'doubtful', reason: 'odd' });
});
