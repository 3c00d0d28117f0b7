import { errorMessage, systemClock, type Logger } from '@virga/core';
import { NotConnectedError, requestSync, type DatabaseLock } from '@virga/ovsdb';
import type { Kysely } from '@virga/db';
import { groupBy } from '../db/group-by';
import type { NetworkSchema } from '../db/tables';
import { applyResource, differs, MissingReferenceError } from './apply';
import type { Northbound } from './northbound';
import { renderCloud } from './render';
import type { Renderer } from './render';
import { MARKS, ownerKey, type DesiredResource } from './rows';
import { OVN_KINDS, type OvnKind } from './sync-queue';

/** Only who holds this lock of the northbound database writes to it. */
export const WRITER_LOCK = 'virga_network';
const BATCH = 200;
/** A row that others need is missing: everything is compared this soon. */
const REPAIR_SOON_MS = 2000;
/** How often the hosts are asked whether they live, ms. */
const ASK_HOSTS_MS = 20_000;

export interface OvnWriterOptions {
  /** How often the queue is looked at when nobody wakes the writer, ms. */
  pollMs: number;
  /** How often everything is compared, ms. */
  reconcileMs: number;
  /** False as long as something that the rows are made from is not known yet; then nothing is written. */
  ready: () => boolean;
}

export interface ReconcileResult { checked: number; repaired: number; removed: number; failed: number }

/**
 * The one way by which rows get into the northbound database: takes queued changes and writes the resource's rows as
 * the tables have them now; from time to time, and whenever it gets the lock, compares everything and repairs. Work is
 * done by one loop, so that nothing of it overlaps; of several processes the holder of the lock works, the others wait.
 */
export class OvnWriter {
  private readonly lock: DatabaseLock;
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private woken = true;
  private wakeUp: (() => void) | undefined;
  private reconcileAt = 0;
  private askAt = 0;
  private readonly failedUntil = new Map<string, number>();
  private readonly statusChanges = new Set<string>();
  private readonly appliedListeners = new Set<(ids: readonly string[]) => void>();

  constructor(
    private readonly db: Kysely<NetworkSchema>,
    private readonly northbound: Northbound,
    private readonly renderers: Record<OvnKind, Renderer>,
    private readonly logger: Logger,
    private readonly options: OvnWriterOptions,
  ) {
    this.lock = northbound.client.lock(WRITER_LOCK);
    this.lock.on('acquired', () => { this.logger.info('this process writes the northbound database'); this.reconcileAt = 0; this.wake(); });
    this.lock.on('lost', () => this.logger.info('this process no longer writes the northbound database'));
    northbound.client.watch('Logical_Switch_Port', (change) => {
      const ids = (change.row ?? change.old).external_ids;
      if (ids[MARKS.kind] !== 'port' || change.row?.up === change.old?.up) return;
      this.statusChanges.add(ids[MARKS.id]!);
      this.wake();
    });
  }

  start(): void {
    this.running ??= this.loop();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.wakeUp?.();
    await this.running;
    await this.lock.release().catch(() => undefined);
  }

  /** There is something in the queue. */
  wake(): void {
    this.woken = true;
    this.wakeUp?.();
  }

  /** Everything is compared at once instead of at its time. */
  reconcileSoon(): void {
    this.reconcileAt = 0;
    this.wake();
  }

  /** Calls back after each batch that was written by this process, with the resources' ids. Returns how to stop it. */
  onApplied(listener: (ids: readonly string[]) => void): () => void {
    this.appliedListeners.add(listener);
    return () => void this.appliedListeners.delete(listener);
  }

  private async loop(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      this.woken = false;
      let busy = false;
      try {
        if (this.lock.held && this.options.ready()) busy = await this.work();
      } catch (error) {
        if (!(error instanceof NotConnectedError)) this.logger.error({ err: error }, 'northbound writer failed; trying again');
      }
      if (!busy && !this.woken) await this.pause();
    }
  }

  private pause(): Promise<void> {
    const abort = new AbortController();
    this.wakeUp = () => abort.abort(new Error('woken'));
    if (this.stopping.signal.aborted) return Promise.resolve();
    return systemClock.sleep(this.options.pollMs, abort.signal).catch(() => undefined).finally(() => { this.wakeUp = undefined; });
  }

  private async work(): Promise<boolean> {
    if (Date.now() >= this.reconcileAt) {
      // Set before, so that a wish for another one that comes in the meantime is not forgotten.
      this.reconcileAt = Date.now() + this.options.reconcileMs;
      const result = await this.reconcile().catch((error: unknown) => { this.reconcileAt = 0; throw error; });
      if (result.repaired + result.removed + result.failed > 0) this.logger.warn(result, 'northbound rows differed from the tables');
    }
    if (Date.now() >= this.askAt) {
      this.askAt = Date.now() + ASK_HOSTS_MS;
      await this.askHosts();
    }
    if (this.statusChanges.size > 0) {
      const ids = [...this.statusChanges];
      this.statusChanges.clear();
      await this.writeStatus(ids);
    }
    return this.drain();
  }

  /** Raises the sequence number that every living host reports back with a time stamp: the agents' heartbeat. */
  private async askHosts(): Promise<void> {
    const transaction = this.northbound.client.transaction();
    transaction.assertLock(WRITER_LOCK);
    requestSync(transaction);
    await this.northbound.client.commit(transaction);
  }

  /** Writes a batch of queued changes; true when there may be more. */
  private async drain(): Promise<boolean> {
    const rows = await this.db.selectFrom('ovn_sync').select(['seq', 'kind', 'resource_id']).orderBy('seq').limit(BATCH).execute();
    const now = Date.now();
    const due = rows.filter((row) => (this.failedUntil.get(`${row.kind}/${row.resource_id}`) ?? 0) <= now);
    const done: number[] = [];
    const written: string[] = [];
    // Kinds in the order of their references; within a kind a resource is written once, however often it changed.
    for (const kind of OVN_KINDS) {
      const changes = groupBy(due.filter((row) => row.kind === kind), (row) => row.resource_id);
      if (changes.size === 0) continue;
      const rendered = new Map((await this.renderers[kind](this.db, [...changes.keys()])).map((resource) => [resource.id, resource]));
      for (const [id, queued] of changes) {
        if (!(await this.apply(rendered.get(id) ?? { kind, id, revision: 0, rows: [] }))) continue;
        done.push(...queued.map(({ seq }) => seq));
        written.push(id);
      }
    }
    if (done.length === 0) return false;
    await this.db.deleteFrom('ovn_sync').where('seq', 'in', done).execute();
    for (const listener of this.appliedListeners) listener(written);
    return rows.length === BATCH;
  }

  private async apply(resource: DesiredResource): Promise<boolean> {
    const key = ownerKey(resource.kind, resource.id);
    try {
      await applyResource(this.northbound, WRITER_LOCK, resource);
      this.failedUntil.delete(key);
      return true;
    } catch (error) {
      if (error instanceof NotConnectedError) throw error;
      this.failedUntil.set(key, Date.now() + this.options.pollMs);
      if (error instanceof MissingReferenceError) this.reconcileAt = Math.min(this.reconcileAt, Date.now() + REPAIR_SOON_MS);
      this.logger.warn({ resource: key, reason: errorMessage(error) }, 'northbound rows not written; trying again');
      return false;
    }
  }

  /** Compares every resource with its rows, repairs what differs, and removes our rows that belong to nothing. */
  async reconcile(): Promise<ReconcileResult> {
    const result: ReconcileResult = { checked: 0, repaired: 0, removed: 0, failed: 0 };
    const stale = this.northbound.owners();
    const each = async (resource: DesiredResource, repaired: 'repaired' | 'removed') => {
      result.checked++;
      try {
        if (await applyResource(this.northbound, WRITER_LOCK, resource)) result[repaired]++;
      } catch (error) {
        if (error instanceof NotConnectedError) throw error;
        result.failed++;
        this.logger.warn({ resource: ownerKey(resource.kind, resource.id), reason: errorMessage(error) }, 'northbound rows not repaired');
      }
    };
    await each(renderCloud(), 'repaired');
    stale.delete(ownerKey('cloud', 'drop'));
    for (const kind of OVN_KINDS) {
      for (const resource of await this.renderers[kind](this.db)) {
        stale.delete(ownerKey(kind, resource.id));
        await each(resource, 'repaired');
      }
    }
    for (const owner of stale) {
      const at = owner.indexOf('/');
      await each({ kind: owner.slice(0, at) as OvnKind, id: owner.slice(at + 1), revision: 0, rows: [] }, 'removed');
    }
    await this.writeStatus();
    return result;
  }

  /**
   * What `reconcile` would have to do, as `kind/id`: resources whose rows differ, and owners of rows that are in no table.
   * Undefined while there is no local copy of the database to compare with.
   */
  async compare(): Promise<{ differing: string[]; stale: string[] } | undefined> {
    if (!this.northbound.client.connected || !this.options.ready()) return undefined;
    const differing: string[] = [];
    const owners = new Set([ownerKey('cloud', 'drop')]);
    const look = (resource: DesiredResource) => {
      const owner = ownerKey(resource.kind, resource.id);
      owners.add(owner);
      if (differs(this.northbound, resource)) differing.push(owner);
    };
    look(renderCloud());
    for (const kind of OVN_KINDS) for (const resource of await this.renderers[kind](this.db)) look(resource);
    return { differing, stale: [...this.northbound.owners()].filter((owner) => !owners.has(owner)) };
  }

  /** A port is ACTIVE as long as its host says that it is plugged in. Without ids: all ports. */
  private async writeStatus(ids?: string[]): Promise<void> {
    const query = this.db.selectFrom('ports').select(['id', 'status']);
    const ports = await (ids ? query.where('id', 'in', ids) : query).execute();
    const wrong = ports.map(({ id, status }) => ({ id, status, actual: this.isUp(id) ? 'ACTIVE' : 'DOWN' })).filter(({ status, actual }) => status !== actual);
    for (const [status, changed] of groupBy(wrong, ({ actual }) => actual)) {
      await this.db.updateTable('ports').set({ status })
        .where('id', 'in', changed.map(({ id }) => id)).execute();
    }
  }

  private isUp(portId: string): boolean {
    return this.northbound.ownedBy('Logical_Switch_Port', ownerKey('port', portId)).some((row) => row.up === true);
  }
}
