import type { HostVerbArgs, MigrationOutcome, MigrationStanding } from '@virga/contracts';
import { CloudError, conflict, errorMessage, internalError, systemClock } from '@virga/core';
import { decideMigration, migrationEta, type MigrationLook } from '@virga/domain';
import type { MigrationJob, MigrationPlan } from '../virt/virt-driver';
import type { MigrationHost } from './migration-host';

const LOOK_MS = 300;
const TELL_MS = 900;
const RECOVER_MS = 600_000;
const RECOVER_PAUSE_MS = 1000;
/** Looks at an interrupted migration whose call has not ended, before the other end is told. */
const STUCK_LOOKS = 10;
/** Tries of a source that cannot tell how its migration has ended; the hypervisors may still be settling it. */
const DOUBT_LOOKS = 20;
/** How long the hypervisor's daemon may be away without a break before this gives up, ms. */
const AWAY_MS = 300_000;
/** The longest pause that QEMU lets itself be told, ms. */
const UNBOUNDED_MS = 2_000_000;

/** A machine that is in two halves, and one whose half here is gone. */
const CUT_OFF: readonly MigrationStanding[] = ['broken', 'off'];

const isAway = (error: unknown): boolean => error instanceof CloudError && error.kind === 'unavailable';

const NOTHING_SEEN: MigrationJob = {
  iteration: 0, memoryTotal: 0, memoryProcessed: 0, memoryRemaining: 0, diskTotal: 0, diskProcessed: 0, diskRemaining: 0, dirtyRate: 0, bandwidth: 0, downtime: undefined, elapsed: 0,
};

/** The guest is here, whole, as before. */
class Stayed extends CloudError {
  constructor(because: string) { super('conflict', `The guest stayed on this host: ${because.replace(/\.$/, '')}.`); }
}

/** The hypervisor's word on the call that sends the guest; undefined while there is none, or nobody here has called. */
interface Call { error: Error | undefined; ended: boolean }

/**
 * Sends the guest away and watches over it until it is clear where it is. Begun again, after a restart of this process or of the
 * hypervisor's daemon, it goes on with what is under way, and never begins a second time.
 * @throws CloudError when the guest is here as before
 */
export class LiveMigration {
  private mode: MigrationLook['mode'] = 'pre-copy';
  private downtimeMs = 300;
  private forced = false;
  private throttled = false;
  private shielded = false;
  private copyDisks = true;
  private toldAt = 0;
  private abortedBecause: string | undefined;
  private lastSeen: MigrationJob | undefined;

  constructor(private readonly host: MigrationHost, private readonly instanceId: string, private readonly args: HostVerbArgs<'migrateLive'>, private readonly signal: AbortSignal) {}

  async run(): Promise<MigrationOutcome> {
    const { host, instanceId, args } = this;
    const begun = `${args.migrationId}/${args.attempt ?? 1}`;
    const mark = await host.storageMark?.(instanceId);
    this.copyDisks = mark === undefined || args.destination.places.storageSeen !== mark;
    const before = await host.notes.begun(instanceId);
    if (before !== begun) {
      const standing = await host.migrations.standing(instanceId);
      if (standing !== 'here') throw conflict(`Instance ${instanceId} has no machine on this host that could be moved.`);
      await host.carryConfigDrive?.(instanceId, args.destination.places, this.signal);
      this.signal.throwIfAborted();
      await host.notes.note(instanceId, begun);
    } else {
      host.logger.info({ instanceId }, 'a migration that was begun before is watched again');
    }
    try {
      await this.watch(before === begun ? undefined : this.send(false));
      return await this.settle();
    } catch (error) {
      if (error instanceof Stayed) throw error;
      // Whoever hears of a failure takes the guest off the other host: nothing but a guest that is whole here may be called one.
      host.logger.error({ instanceId, err: error }, 'nobody knows how a migration has ended');
      return { outcome: 'doubtful', reason: errorMessage(error) };
    }
  }

  private plan(resume: boolean): MigrationPlan {
    const { destination, limits } = this.args;
    return { uri: destination.uri, address: destination.address, from: this.host.places(this.instanceId), to: destination.places, postCopy: limits.postCopy, resume, copyDisks: this.copyDisks };
  }

  private send(resume: boolean): Call {
    const call: Call = { error: undefined, ended: false };
    void this.host.migrations.send(this.instanceId, this.plan(resume))
      .catch((error: unknown) => { call.error = error instanceof Error ? error : internalError(errorMessage(error)); })
      .finally(() => { call.ended = true; });
    return call;
  }

  /** Resolves when nothing is under way any more. */
  private async watch(call: Call | undefined): Promise<void> {
    const { host, instanceId } = this;
    const lookMs = host.lookMs ?? LOOK_MS;
    for (let brokenLooks = 0; ;) {
      const job = await this.whileAway(() => host.migrations.job(instanceId));
      if (call?.ended || (!call && !job)) {
        if (call?.error) this.abortedBecause ??= errorMessage(call.error);
        return;
      }
      if (job) await this.steer(job).catch((error: unknown) => { if (!isAway(error)) throw error; });
      // The call may wait for the other end for ever, where nobody has noticed.
      else {
        const standing = await this.whileAway(() => host.migrations.standing(instanceId));
        if (standing === 'broken') this.mode = 'post-copy';
        if (CUT_OFF.includes(standing) && !(await this.streaming()) && ++brokenLooks % STUCK_LOOKS === 0) await this.tell(this.lastSeen ?? NOTHING_SEEN, { stuck: true });
      }
      await systemClock.sleep(lookMs);
    }
  }

  /** The hypervisor's daemon may be restarted in the middle: what it has begun it knows again, and a guest is nowhere else meanwhile. */
  private async whileAway<T>(look: () => Promise<T>): Promise<T> {
    for (const since = systemClock.now(); ;) {
      try {
        return await look();
      } catch (error) {
        if (!isAway(error) || systemClock.now() - since > AWAY_MS) throw error;
        await systemClock.sleep(this.host.lookMs ?? LOOK_MS);
      }
    }
  }

  private async steer(job: MigrationJob): Promise<void> {
    const { host, instanceId, args } = this;
    this.lastSeen = job;
    // Also after a restart of this process.
    if (job.switched) {
      this.mode = 'post-copy';
      await this.shield();
    }
    if (this.signal.aborted && this.mode === 'pre-copy') {
      this.abortedBecause = errorMessage(this.signal.reason);
      await host.migrations.abort(instanceId);
      return;
    }
    const decision = decideMigration({
      elapsedMs: job.elapsed, mode: this.mode, iteration: job.iteration, memoryRemaining: job.memoryRemaining, diskRemaining: job.diskRemaining, dirtyRate: job.dirtyRate,
      bandwidth: job.bandwidth, downtimeMs: this.downtimeMs, forced: this.forced,
    }, args.limits);
    if (decision.do === 'post-copy' && await host.migrations.switchToPostCopy(instanceId)) {
      this.mode = 'post-copy';
      this.toldAt = 0;
      host.logger.info({ instanceId, iteration: job.iteration, dirtyRate: job.dirtyRate, bandwidth: job.bandwidth }, 'migration switched to post-copy');
    }
    if (decision.do === 'abort') {
      this.abortedBecause = `it had not ended after ${args.limits.deadlineMs} ms`;
      await host.migrations.abort(instanceId);
    }
    if (decision.do === 'downtime') {
      await host.migrations.allowDowntime(instanceId, decision.ms);
      this.downtimeMs = decision.ms;
    }
    // With all the time that it wants the hypervisor stops the guest at once, sends the rest and starts it at the other end.
    if (decision.do === 'pause') await host.migrations.allowDowntime(instanceId, UNBOUNDED_MS);
    // The hypervisor throttles by itself, as it was told at the start.
    if (decision.do === 'throttle' && !this.throttled) {
      this.throttled = true;
      host.logger.info({ instanceId }, 'the guest dirties more than the link carries and is slowed down');
    }
    await this.tell(job);
  }

  private async streaming(): Promise<boolean> {
    return (await this.host.streaming?.(this.instanceId)) ?? false;
  }

  /** Also where the hypervisor has told of the switch while this process was not there. */
  private async shield(): Promise<void> {
    if (this.shielded) return;
    this.shielded = true;
    await this.host.shield?.(this.instanceId);
  }

  private async tell(job: MigrationJob, { last = false, stuck = false } = {}): Promise<void> {
    if (!last && !stuck && Date.now() - this.toldAt < TELL_MS) return;
    this.toldAt = Date.now();
    const { host, instanceId, args: { migrationId } } = this;
    const whole = (value: number) => Math.max(0, Math.round(value));
    const eta = migrationEta({ elapsedMs: job.elapsed, mode: this.mode, downtimeMs: this.downtimeMs, forced: this.forced, ...job });
    const told = host.tell({
      instanceId, migrationId, ...(stuck && { stuck }), mode: this.mode, iteration: whole(job.iteration), memoryTotal: whole(job.memoryTotal), memoryProcessed: whole(job.memoryProcessed),
      memoryRemaining: whole(job.memoryRemaining), diskTotal: whole(job.diskTotal), diskProcessed: whole(job.diskProcessed), diskRemaining: whole(job.diskRemaining), dirtyRate: whole(job.dirtyRate),
      etaMs: eta === undefined ? null : whole(eta), downtimeMs: job.downtime === undefined ? null : whole(job.downtime), totalMs: whole(job.elapsed),
    }).then(({ forced }) => { this.forced ||= forced; })
      // The control plane may be away: the migration goes on without it.
      .catch((error: unknown) => host.logger.debug({ instanceId, reason: errorMessage(error) }, 'progress not told'));
    if (last) await told;
  }

  private async settle(): Promise<MigrationOutcome> {
    const { host, instanceId } = this;
    const patience = this.args.limits.recoverMs ?? RECOVER_MS;
    for (let doubts = 0, brokenSince: number | undefined; ;) {
      const standing = await this.whileAway(() => host.migrations.standing(instanceId));
      switch (standing) {
        case 'gone': {
          const job = host.migrations.finalJob(instanceId);
          if (job) await this.tell(job, { last: true });
          return { outcome: 'moved', reason: this.mode };
        }
        case 'here':
          throw new Stayed(this.abortedBecause ?? 'its migration ended while nobody watched');
        case 'off':
          return { outcome: 'doubtful', reason: 'the machine on the source went off' };
        case 'moving':
          await this.watch(undefined);
          break;
        case 'doubtful':
          if (++doubts > DOUBT_LOOKS) return { outcome: 'doubtful', reason: 'the hypervisor of the source does not know whether the guest arrived' };
          await systemClock.sleep(host.lookMs ?? LOOK_MS);
          break;
        case 'broken':
          // The daemons have lost each other, and the machines have not: they end what they are at, and the daemon sees it then.
          if (await this.streaming()) {
            await systemClock.sleep(host.lookMs ?? LOOK_MS);
            break;
          }
          brokenSince ??= systemClock.now();
          if (systemClock.now() - brokenSince > patience) return { outcome: 'broken', reason: this.abortedBecause ?? 'the other host does not answer' };
          await this.recover();
      }
    }
  }

  /** Never by starting the guest here again: the newer half of its memory is on the other host. */
  private async recover(): Promise<void> {
    const { host, instanceId } = this;
    this.mode = 'post-copy';
    host.logger.warn({ instanceId, reason: this.abortedBecause }, 'post-copy was interrupted; taking it up again');
    this.abortedBecause = undefined;
    await this.watch(this.send(true));
    if (this.abortedBecause === undefined) return;
    // A connection of which only this end knows that it is broken keeps the other end from taking a new one.
    await this.tell(this.lastSeen ?? NOTHING_SEEN, { stuck: true });
    await systemClock.sleep(host.lookMs ?? RECOVER_PAUSE_MS);
  }
}
