import type { MigrationStanding } from '@virga/contracts';
import { conflict, errorMessage, internalError } from '@virga/core';
import type { MigrationDriver, MigrationJob, MigrationPlan } from '../virt-driver';
import type { FakeDriver } from './fake-driver';
import type { Simulation } from './simulation';

/** Hosts that pretend and can send each other machines, by the uri under which they are reached. */
export type FakeLink = Map<string, FakeDriver>;

const MIB = 1024 ** 2;
/** Parts in which a machine's memory goes. */
const ROUNDS = 4;

interface Job { began: number; round: number; postCopy: boolean; unwanted: boolean; total: number }

/** Moves machines that only pretend: it takes the time of the verb `migrate`, may be aborted until the switch to post-copy, and fails as the seed says. */
export class FakeMigrations implements MigrationDriver {
  private readonly jobs = new Map<string, Job>();
  private readonly ended = new Map<string, MigrationJob>();

  /** @param left what this host writes down of a machine that has left */
  constructor(private readonly driver: FakeDriver, private readonly link: FakeLink, private readonly simulation: Simulation, private readonly left: (instanceId: string) => Promise<void>) {}

  async send(instanceId: string, { uri, resume }: MigrationPlan): Promise<void> {
    const other = this.link.get(uri);
    if (!other) throw internalError(`Simulated: nobody answers at ${uri}.`);
    if (resume || this.jobs.has(instanceId)) throw conflict(`Instance ${instanceId} cannot be moved in its present state.`);
    const job: Job = { began: this.simulation.now(), round: 0, postCopy: false, unwanted: false, total: this.driver.memoryOf(instanceId) * MIB };
    this.jobs.set(instanceId, job);
    try {
      for (; job.round < ROUNDS && !job.unwanted; job.round++) await this.simulation.perform('migrate').catch((error: unknown) => { if (!job.postCopy) throw error; });
      if (job.unwanted) throw conflict('Simulated: the migration was aborted.');
      this.driver.moveTo(other, instanceId);
      await this.left(instanceId);
    } catch (error) {
      throw internalError(errorMessage(error));
    } finally {
      this.ended.set(instanceId, this.look(job));
      this.jobs.delete(instanceId);
    }
  }

  async job(instanceId: string): Promise<MigrationJob | undefined> {
    const job = this.jobs.get(instanceId);
    return job && this.look(job);
  }

  finalJob(instanceId: string): MigrationJob | undefined {
    return this.ended.get(instanceId);
  }

  async standing(instanceId: string): Promise<MigrationStanding> {
    if (this.jobs.has(instanceId)) return 'moving';
    const state = await this.driver.powerState(instanceId);
    if (state === 0) return 'gone';
    return state === 1 || state === 3 ? 'here' : 'off';
  }

  async switchToPostCopy(instanceId: string): Promise<boolean> {
    const job = this.jobs.get(instanceId);
    if (!job || job.unwanted) return false;
    job.postCopy = true;
    return true;
  }

  async allowDowntime(): Promise<void> { /* its pause takes no time */ }

  async abort(instanceId: string): Promise<void> {
    const job = this.jobs.get(instanceId);
    if (job && !job.postCopy) job.unwanted = true;
  }

  async refuseCpu(): Promise<string | undefined> {
    return undefined;
  }

  private look({ began, round, total }: Job): MigrationJob {
    const elapsed = this.simulation.now() - began;
    const memoryProcessed = Math.round((total * round) / ROUNDS);
    return {
      iteration: round + 1, memoryTotal: total, memoryProcessed, memoryRemaining: total - memoryProcessed, diskTotal: 0, diskProcessed: 0, diskRemaining: 0, dirtyRate: 0,
      bandwidth: elapsed > 0 ? (memoryProcessed * 1000) / elapsed : 0, downtime: round >= ROUNDS ? 0 : undefined, elapsed,
    };
  }
}
