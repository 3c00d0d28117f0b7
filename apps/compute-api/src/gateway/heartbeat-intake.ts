import { hostAgentContract, type placementContract } from '@virga/contracts';
import type { Logger } from '@virga/core';
import type { Kysely } from '@virga/db';
import type { Bus, Client } from '@virga/rpc';
import type { ComputeDb } from '../db/schema';
import { takeHeartbeats, type Heartbeat } from './heartbeat';

/** How long a heartbeat waits for those of other hosts, ms: nothing against the seconds between two of one host. */
const GATHER_MS = 100;
/** A transaction with more would keep others waiting. */
const MOST = 100;

export interface HeartbeatIntakeOptions {
  db: Kysely<ComputeDb>;
  logger: Logger;
  bus: Pick<Bus, 'prepare'>;
  placement: Pick<Client<typeof placementContract>, 'reportHosts'>;
  leaseMs: number;
  defaultZone: string;
  wakeRelay(): void;
}

interface Waiting { heartbeat: Heartbeat; taken: () => void; failed: (error: unknown) => void }

/** Takes the heartbeats of many hosts together, so that a fleet costs a few transactions a second and not one a heartbeat. */
export class HeartbeatIntake {
  private waiting: Waiting[] = [];
  private timer: NodeJS.Timeout | undefined;
  /** Hosts whose queue of commands this process has seen to. */
  private readonly reachable = new Set<string>();

  constructor(private readonly options: HeartbeatIntakeOptions) {}

  /** Resolves when the heartbeat is kept and the scheduler has been told. */
  take(heartbeat: Heartbeat): Promise<void> {
    return new Promise((taken, failed) => {
      this.waiting.push({ heartbeat, taken, failed });
      this.timer ??= setTimeout(() => this.release(), GATHER_MS);
    });
  }

  private release(): void {
    this.timer = undefined;
    const batch = new Map<string, Waiting>();
    // A host that repeats itself, as after a time-out, is in the next batch again.
    const later: Waiting[] = [];
    for (const one of this.waiting) {
      const { hostId } = one.heartbeat.facts;
      if (batch.has(hostId) || batch.size >= MOST) later.push(one);
      else batch.set(hostId, one);
    }
    this.waiting = later;
    if (later.length > 0) this.timer = setTimeout(() => this.release(), 0);
    void this.takeTogether([...batch.values()]);
  }

  /** One host whose report the database refuses must not keep the others out. */
  private async takeTogether(batch: Waiting[]): Promise<void> {
    try {
      await this.keep(batch.map(({ heartbeat }) => heartbeat));
      for (const { taken } of batch) taken();
    } catch (error) {
      if (batch.length === 1) return batch[0]!.failed(error);
      this.options.logger.debug({ err: error, hosts: batch.length }, 'heartbeats refused together; taken one by one');
      for (const one of batch) await this.takeTogether([one]);
    }
  }

  private async keep(heartbeats: Heartbeat[]): Promise<void> {
    const { db, logger, placement, leaseMs, defaultZone, wakeRelay } = this.options;
    // Before the answer: an agent looks for its queue once a second until it is there, and its first command would wait for that.
    await Promise.all(heartbeats.map(({ facts }) => this.makeReachable(facts.hostId)));
    const results = await takeHeartbeats(db, logger, heartbeats, { leaseMs, defaultZone });
    if (results.some(({ started }) => started.length > 0)) wakeRelay();
    // The scheduler gets the same picture; while it is away the hosts are not alive to it, and that is right.
    await placement.reportHosts({
      hosts: heartbeats.map(({ facts }, index) => ({
        hostId: facts.hostId, hostname: facts.hostname, availabilityZone: results[index]!.availabilityZone, enabled: results[index]!.enabled,
        inventory: facts.totals, traits: facts.traits, leaseMs,
      })),
    }).catch((error: unknown) => logger.warn({ err: error, hosts: heartbeats.length }, 'hosts not reported to the scheduler'));
  }

  private async makeReachable(hostId: string): Promise<void> {
    if (this.reachable.has(hostId)) return;
    try {
      await this.options.bus.prepare(hostAgentContract, { hostId });
      this.reachable.add(hostId);
    } catch (error) {
      this.options.logger.info({ err: error, hostId }, 'queue of a host not made yet; its next report, or its first command, makes it');
    }
  }
}
