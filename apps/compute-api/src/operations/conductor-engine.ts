import { errorMessage, systemClock, withLogFields, type Logger } from '@virga/core';
import type { Kysely } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { dbNow, dbNowPlus } from '../db/time';
import { expireCommandsOfDeadHosts } from './expire-commands';
import { waitingOperations } from './end-operation';
import { LIVE_STATES, toOperation, type OperationKind } from './operation';
import { isDead, ownerName } from './owner-name';
import { OperationRun } from './run-operation';
import type { Neighbours, Workflow } from './workflow';

export interface EngineOptions {
  db: Kysely<ComputeDb>;
  neighbours: Neighbours;
  logger: Logger;
  workflows: Record<OperationKind, Workflow>;
  /** Wakes the outbox relay after a commit. */
  wakeRelay(): void;
  /** How long a claim holds without renewal, ms. Longer than any single call to a neighbour. */
  leaseMs?: number;
  /** How often the database is searched for due operations, ms. */
  sweepMs?: number;
  /** After the lease of a host has run out this long ago, ms, nobody waits for its reports any more. */
  deadHostGraceMs?: number;
  concurrency?: number;
  /** False while hosts cannot be heard because of us, e.g. the broker is away. */
  hearsHosts?: () => boolean;
  /** How often hosts report, ms. */
  hostReportMs?: number;
  events?: EngineEvents;
}

/** Told what happens, for metrics. Times in seconds. */
export interface EngineEvents {
  stepEnded(kind: string, step: string, phase: 'do' | 'undo', result: 'Success' | 'Error', seconds: number): void;
  operationEnded(kind: string, end: string): void;
  /** Due operations that the search of the database has found without anybody's having woken them. */
  swept(count: number): void;
}

const GIVE_UP_PAUSE_MS = 1000;

interface Held { renewedAt: number }

/**
 * Drives operations. Any number of engines may run on one database: an operation belongs to whoever has claimed it,
 * until its lease runs out.
 */
export class ConductorEngine {
  readonly owner = ownerName();
  private readonly held = new Map<string, Held>();
  private readonly queue = new Set<string>();
  private readonly wokenWhileHeld = new Set<string>();
  private readonly running = new Set<Promise<void>>();
  private readonly leaseMs: number;
  private readonly sweepMs: number;
  private readonly deadHostGraceMs: number;
  private readonly concurrency: number;
  private readonly abort = new AbortController();
  private loops: Promise<void>[] = [];
  private stopping = false;
  /** Since when, without a break, this process could have heard of hosts, ms since the epoch. */
  private hearingSince = Date.now();

  constructor(private readonly options: EngineOptions) {
    this.leaseMs = options.leaseMs ?? 30_000;
    this.sweepMs = options.sweepMs ?? 2000;
    this.deadHostGraceMs = options.deadHostGraceMs ?? 20_000;
    this.concurrency = options.concurrency ?? 16;
  }

  start(): void {
    this.loops = [
      this.every(this.sweepMs, () => this.sweep()),
      this.every(this.leaseMs / 3, () => this.renew()),
    ];
  }

  /** Takes no new operation, finishes the steps in work, gives up what it holds. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.abort.abort(new Error('stopping'));
    await Promise.all(this.loops);
    await Promise.all(this.running);
  }

  /** For tests: stops as a killed process does. Nothing is given up, and nothing that is still in work is written any more. */
  abandon(): void {
    this.stopping = true;
    this.abort.abort(new Error('abandoned'));
    this.held.clear();
  }

  /** Has an operation looked at soon; harmless when it is not due or another conductor has it. */
  wake(operationId: string): void {
    if (this.stopping) return;
    this.queue.add(operationId);
    this.pump();
  }

  private pump(): void {
    for (const id of this.queue) {
      if (this.running.size >= this.concurrency) return;
      this.queue.delete(id);
      const work = withLogFields({ operationId: id }, () => this.take(id))
        .catch((error: unknown) => this.options.logger.error({ err: error }, `operation stopped unexpectedly and will be taken up again: ${errorMessage(error)}`))
        .finally(() => { this.running.delete(work); this.pump(); });
      this.running.add(work);
    }
  }

  private async take(id: string): Promise<void> {
    if (this.stopping) return;
    // A report may come before the run that parked the operation has wound up.
    if (this.held.has(id)) return void this.wokenWhileHeld.add(id);
    this.held.set(id, { renewedAt: Date.now() });
    try {
      await this.claimAndRun(id);
    } catch (error) {
      await this.giveUp(id);
      throw error;
    } finally {
      this.held.delete(id);
      if (this.wokenWhileHeld.delete(id)) this.wake(id);
    }
  }

  private async claimAndRun(id: string): Promise<void> {
    const { db } = this.options;
    const claimedAt = Date.now();
    const { numUpdatedRows } = await db.updateTable('operations')
      .set((eb) => ({ state: 'running', owner: this.owner, claim_epoch: eb('claim_epoch', '+', 1), lease_until: dbNowPlus(this.leaseMs) }))
      .where('id', '=', id).where('state', 'in', [...LIVE_STATES]).where('due_at', '<=', dbNow)
      .where((eb) => eb.or([eb('owner', 'is', null), eb('lease_until', '<', dbNow)])).executeTakeFirst();
    if (numUpdatedRows === 0n) return;
    this.held.set(id, { renewedAt: claimedAt });
    const row = await db.selectFrom('operations').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    const operation = toOperation(row);
    const ended = await withLogFields({ requestId: operation.requestId, instanceId: operation.instanceId, kind: operation.kind }, () =>
      new OperationRun(this.options.workflows[operation.kind], operation, {
        db, owner: this.owner, neighbours: this.options.neighbours, logger: this.options.logger, wakeRelay: this.options.wakeRelay,
        owned: () => this.isHeld(id), ...(this.options.events && { events: this.options.events }),
      }).run());
    if (!ended) return;
    for (const waiting of await waitingOperations(db, operation.instanceId)) if (waiting.id !== id) this.wake(waiting.id);
  }

  /** After an unforeseen error: others need not wait for the lease to run out. */
  private async giveUp(id: string): Promise<void> {
    if (!this.held.has(id)) return;
    await this.options.db.updateTable('operations').set({ state: 'parked', owner: null, lease_until: null, waiting_command: null, due_at: dbNowPlus(GIVE_UP_PAUSE_MS) })
      .where('id', '=', id).where('owner', '=', this.owner).where('state', '=', 'running').execute()
      .catch((error: unknown) => this.options.logger.warn({ err: error }, 'operation not given up; its lease will run out'));
  }

  /** Half of the lease is kept back, so that a call begun in time also ends in time. */
  private isHeld(id: string): boolean {
    const held = this.held.get(id);
    return held !== undefined && Date.now() - held.renewedAt < this.leaseMs / 2;
  }

  private async renew(): Promise<void> {
    const ids = [...this.held.keys()];
    if (ids.length === 0) return;
    const renewedAt = Date.now();
    await this.options.db.updateTable('operations').set({ lease_until: dbNowPlus(this.leaseMs) })
      .where('owner', '=', this.owner).where('state', '=', 'running').where('id', 'in', ids).execute();
    for (const id of ids) { const held = this.held.get(id); if (held) held.renewedAt = renewedAt; }
  }

  private async sweep(): Promise<void> {
    const { db } = this.options;
    if (this.maySpeakOfDeadHosts()) await expireCommandsOfDeadHosts(db, this.deadHostGraceMs);
    await this.releaseOrphans();
    const due = await db.selectFrom('operations').select('id').where('state', 'in', [...LIVE_STATES]).where('due_at', '<=', dbNow)
      .where((eb) => eb.or([eb('owner', 'is', null), eb('lease_until', '<', dbNow)])).orderBy('due_at').limit(200).execute();
    this.options.events?.swept(due.filter(({ id }) => !this.held.has(id) && !this.queue.has(id)).length);
    for (const { id } of due) this.wake(id);
  }

  /**
   * A host whose lease has run out while nobody could take its reports is not dead: it is judged only after it has had the
   * time to report again.
   */
  private maySpeakOfDeadHosts(): boolean {
    if (this.options.hearsHosts?.() === false) this.hearingSince = Date.now();
    return Date.now() - this.hearingSince >= 3 * (this.options.hostReportMs ?? 0) + this.deadHostGraceMs;
  }

  /** Operations that are running in the books only: of a process that is gone, or ours, which we could not give up at the time. */
  private async releaseOrphans(): Promise<void> {
    const { db, logger } = this.options;
    const running = await db.selectFrom('operations').select(['id', 'owner', 'claim_epoch']).where('state', '=', 'running').where('owner', 'is not', null).execute();
    for (const { id, owner, claim_epoch: epoch } of running) {
      if (owner === this.owner ? this.held.has(id) : !isDead(owner!)) continue;
      logger.info({ operationId: id, owner }, 'operation without a conductor; it is taken up');
      await db.updateTable('operations').set({ state: 'parked', owner: null, lease_until: null, waiting_command: null, due_at: dbNow })
        .where('id', '=', id).where('owner', '=', owner).where('claim_epoch', '=', epoch).where('state', '=', 'running').execute();
    }
  }

  private async every(ms: number, work: () => Promise<void>): Promise<void> {
    while (!this.stopping) {
      try {
        await work();
      } catch (error) {
        this.hearingSince = Date.now();
        this.options.logger.warn({ err: error }, 'periodic work of the conductor failed; trying again');
      }
      await systemClock.sleep(ms, this.abort.signal).catch(() => undefined);
    }
  }
}
