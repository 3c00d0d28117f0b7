import { EventEmitter } from 'node:events';
import { Connection } from './connection';
import type { ConnectionOptions } from './connection';
import type { DatabaseSchema } from './database-schema';
import { CallTimeoutError, InvalidRequestError, NotConnectedError, OvsdbError } from './errors';
import { DatabaseLock } from './lock';
import { MonitorCache } from './monitor-cache';
import type { CachedTable, RowChange } from './monitor-cache';
import type { DatabaseModel, MonitorSpec, MonitoredRow, Stored, TableName, TableSet, Where } from './model';
import { parseRemote } from './remotes';
import { isDataUpdate, noTransaction, openSession } from './session';
import type { Resume, Session, SessionOptions } from './session';
import { Transaction } from './transact';
import type { TransactionResult } from './transact';

export interface ClientOptions<Tables extends TableSet, M extends MonitorSpec<Tables>> extends ConnectionOptions {
  /** `unix:PATH`, `tcp:HOST:PORT` or `ssl:HOST:PORT`; tried in turn. */
  readonly remotes: readonly string[];
  /** Tables and columns to keep a local copy of. */
  readonly monitor?: M;
  /** In a cluster, use the leader only (default false). Needed for locks. */
  readonly leaderOnly?: boolean;
  /** Milliseconds between rounds of connection attempts: the first, doubling up to the last (default 100 and 8000). */
  readonly backoffMs?: { readonly first: number; readonly last: number };
}

interface ClientEvents {
  /** A session is live and the local copy is current. */
  connected: [remote: string, incremental: boolean];
  disconnected: [reason: OvsdbError];
  /** An attempt to connect failed; another follows. */
  retry: [remote: string, reason: Error];
  /** A batch of changes has been applied to the local copy. */
  updated: [];
  /** A watcher threw. Without a listener it becomes an uncaught exception. */
  watcherError: [error: unknown];
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type AnyWatcher = (change: RowChange<any>) => void;

/** A session counts as stable, and resets the backoff, after this many milliseconds. */
const stableMs = 5000;

/**
 * A client of one OVSDB database that keeps itself connected and its local copy current. While there is no
 * live session every request fails at once with NotConnectedError; nothing is queued or repeated.
 */
export class OvsdbClient<Tables extends TableSet, const M extends MonitorSpec<Tables> = MonitorSpec<Tables>> extends EventEmitter<ClientEvents> {
  private readonly cache: MonitorCache;
  private readonly watchers = new Map<string, Set<AnyWatcher>>();
  private readonly locks = new Map<string, DatabaseLock>();
  private readonly resume: Resume = { lastTransaction: noTransaction, subscription: '', cluster: '', index: 0 };
  private readonly sessionOptions: SessionOptions;
  private session: Session | undefined;
  private opening: Connection | undefined;
  private running: Promise<void> | undefined;
  private readonly stopped = new AbortController();

  constructor(
    readonly database: DatabaseModel<Tables>,
    private readonly options: ClientOptions<Tables, M>,
  ) {
    super();
    if (options.remotes.length === 0) throw new InvalidRequestError('no remotes given');
    options.remotes.forEach(parseRemote);
    const monitor = (options.monitor ?? {}) as SessionOptions['monitor'];
    this.sessionOptions = { ...options, database: database.name, leaderOnly: options.leaderOnly ?? false, monitor };
    this.cache = new MonitorCache(Object.keys(monitor));
  }

  /** Is there a live session? */
  get connected(): boolean {
    return this.session !== undefined;
  }

  /** The remote of the live session. */
  get remote(): string | undefined {
    return this.session?.connection.remote;
  }

  /** Tables (`T`) and columns (`T.c`) of the monitor that the server lacks. */
  get missing(): readonly string[] {
    return this.session?.missing ?? [];
  }

  /** The schema of the server; throws NotConnectedError while there is no live session. */
  get schema(): DatabaseSchema {
    return this.live().schema;
  }

  /** Begins to connect and stays at it until `close`; does not wait. */
  start(): this {
    this.running ??= this.run();
    return this;
  }

  /**
   * Starts, and resolves when the first session is live and the local copy complete.
   * @param timeoutMs milliseconds until NotConnectedError (the client goes on trying)
   */
  async connect(timeoutMs = 30_000): Promise<this> {
    this.start();
    if (this.session) return this;
    await new Promise<void>((resolve, reject) => {
      let last: Error | undefined;
      const settle = (error?: OvsdbError): void => {
        clearTimeout(timer);
        this.off('connected', done);
        this.off('retry', note);
        this.stopped.signal.removeEventListener('abort', aborted);
        if (error) reject(error);
        else resolve();
      };
      const done = (): void => settle();
      const note = (_remote: string, reason: Error): void => void (last = reason);
      const aborted = (): void => settle(new NotConnectedError('the client was closed'));
      const timer = setTimeout(() => {
        settle(new NotConnectedError(`no session within ${timeoutMs} ms${last ? `: ${last.message}` : ''}`, { cause: last }));
      }, timeoutMs);
      this.on('connected', done);
      this.on('retry', note);
      this.stopped.signal.addEventListener('abort', aborted);
      if (this.stopped.signal.aborted) aborted();
    });
    return this;
  }

  /** Ends the session for good; calls under way fail with ConnectionLostError. */
  async close(): Promise<void> {
    this.stopped.abort();
    this.opening?.close();
    this.session?.connection.close();
    await this.running;
  }

  /** The local copy of a monitored table. It keeps its last contents while disconnected. */
  table<T extends keyof M & TableName<Tables>>(name: T): CachedTable<MonitoredRow<Tables, M, T>> {
    const table = this.cache.table(name);
    if (!table) throw new InvalidRequestError(`${name} is not monitored`);
    return table as unknown as CachedTable<MonitoredRow<Tables, M, T>>;
  }

  /** Calls back for every change of a table's local copy, after the whole batch is applied. Returns how to stop it. */
  watch<T extends keyof M & TableName<Tables>>(name: T, watcher: (change: RowChange<MonitoredRow<Tables, M, T>>) => void): () => void {
    this.table(name);
    const watchers = this.watchers.get(name) ?? new Set<AnyWatcher>();
    this.watchers.set(name, watchers.add(watcher));
    return () => void watchers.delete(watcher);
  }

  /**
   * Resolves with the first row of a monitored table that meets the predicate, at once if there is one, e.g. a
   * port that is up. Survives reconnections. Rejects with CallTimeoutError (`sent` false) after `timeoutMs`.
   */
  waitForRow<T extends keyof M & TableName<Tables>>(
    name: T,
    predicate: (row: MonitoredRow<Tables, M, T>) => boolean,
    timeoutMs: number,
  ): Promise<MonitoredRow<Tables, M, T>> {
    const present = this.table(name).find(predicate);
    if (present) return Promise.resolve(present);
    return new Promise((resolve, reject) => {
      const stop = this.watch(name, ({ row }) => {
        if (row && predicate(row)) settle(() => resolve(row));
      });
      const closed = (): void => settle(() => reject(new NotConnectedError('the client was closed')));
      const late = new CallTimeoutError(`no such ${name} row within ${timeoutMs} ms`, false);
      const timer = setTimeout(() => settle(() => reject(late)), timeoutMs);
      const settle = (outcome: () => void): void => {
        clearTimeout(timer);
        this.stopped.signal.removeEventListener('abort', closed);
        stop();
        outcome();
      };
      this.stopped.signal.addEventListener('abort', closed);
    });
  }

  /** A new empty transaction. */
  transaction(): Transaction<Tables> {
    return new Transaction();
  }

  /**
   * Commits a transaction; when it resolves, the local copy already shows it. Rejects with the subclass of
   * TransactionError that fits, or with NotConnectedError, ConnectionLostError, CallTimeoutError: see `sent`.
   */
  async commit(transaction: Transaction<Tables>, timeoutMs?: number): Promise<TransactionResult> {
    const { connection, schema } = this.live();
    const answer = await connection.call('transact', [this.database.name, ...transaction.encode(schema)], timeoutMs);
    return transaction.decode(schema, answer);
  }

  /** Reads rows from the server, past the local copy. */
  async select<T extends TableName<Tables>>(table: T, where: Where<Tables[T]>): Promise<Stored<Tables[T]>[]> {
    const transaction = this.transaction();
    const step = transaction.select(table, where);
    return (await this.commit(transaction)).rows(step);
  }

  /** Registers interest in a named lock; see DatabaseLock. Asking again for the same name gives the same lock. */
  lock(name: string): DatabaseLock {
    const known = this.locks.get(name);
    if (known) return known;
    const lock = new DatabaseLock(name, {
      // Without a session there is nothing to give back: the server dropped the lock with the connection.
      call: async (method, id) => (method === 'unlock' && !this.session ? undefined : this.live().connection.call(method, [id])),
      forget: (gone) => void (this.locks.get(gone.name) === gone && this.locks.delete(gone.name)),
    });
    this.locks.set(name, lock);
    if (this.session) lock.request().catch(() => undefined);
    return lock;
  }

  private live(): Session {
    if (!this.session) throw new NotConnectedError();
    return this.session;
  }

  private async run(): Promise<void> {
    const { first, last } = this.options.backoffMs ?? { first: 100, last: 8000 };
    let delay = first;
    for (let attempt = 0; !this.stopped.signal.aborted; attempt++) {
      const remote = this.options.remotes[attempt % this.options.remotes.length]!;
      const began = Date.now();
      try {
        await this.serve(remote);
        if (Date.now() - began > stableMs) delay = first;
      } catch (error) {
        this.emit('retry', remote, error as Error);
      }
      if ((attempt + 1) % this.options.remotes.length !== 0) continue;
      await this.pause(delay * (0.75 + Math.random() / 2));
      delay = Math.min(delay * 2, last);
    }
  }

  private async pause(ms: number): Promise<void> {
    const { signal } = this.stopped;
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
    });
  }

  /** Runs one session from its beginning to its end; rejects when it does not come to life. */
  private async serve(remote: string): Promise<void> {
    const early: [string, readonly unknown[]][] = [];
    const session = await openSession(
      remote,
      this.sessionOptions,
      this.resume,
      (connection, method, params) => {
        if (this.session?.connection === connection) this.receive(method, params);
        else early.push([method, params]);
      },
      (connection) => {
        this.opening = connection;
        if (this.stopped.signal.aborted) connection.close();
      },
    ).finally(() => (this.opening = undefined));
    const { connection, start } = session;
    const ended = new Promise<OvsdbError>((resolve) => connection.once('close', resolve));
    let reason: OvsdbError | undefined;
    try {
      if (connection.closedBy ?? this.stopped.signal.aborted) return;
      this.session = session;
      this.begin(session, early);
      this.emit('connected', remote, start?.incremental ?? false);
      for (const lock of this.locks.values()) lock.request().catch(() => undefined);
      reason = await ended;
    } finally {
      this.session = undefined;
      connection.close();
      for (const lock of this.locks.values()) lock.setHeld(false);
    }
    this.emit('disconnected', reason);
  }

  private begin(session: Session, early: readonly [string, readonly unknown[]][]): void {
    const { start } = session;
    if (start) {
      const changes = start.incremental ? this.cache.apply(session, start.updates) : this.cache.replace(session, start.updates);
      this.resume.lastTransaction = start.lastTransaction;
      this.announce(changes);
    }
    for (const [method, params] of early) this.receive(method, params);
  }

  private receive(method: string, params: readonly unknown[]): void {
    const handlers: Record<string, (() => void) | undefined> = {
      update3: () => this.update(params[0], params[2], String(params[1])),
      update2: () => this.update(params[0], params[1], noTransaction),
      locked: () => this.locks.get(String(params[0]))?.notified(true),
      stolen: () => this.locks.get(String(params[0]))?.notified(false),
      // The database was removed or converted: a new session sees what it is now.
      monitor_canceled: () => this.session?.connection.close(),
    };
    if (Object.hasOwn(handlers, method)) handlers[method]!();
  }

  private update(id: unknown, updates: unknown, transaction: string): void {
    if (!isDataUpdate(id)) return;
    let changes;
    try {
      changes = this.cache.apply(this.live(), updates);
    } catch (error) {
      // The copy can no longer be trusted: begin the next session with a complete dump.
      this.resume.subscription = '';
      throw error;
    }
    this.resume.lastTransaction = transaction;
    this.announce(changes);
  }

  private announce(changes: readonly (RowChange<unknown> & { table: string })[]): void {
    for (const change of changes) {
      for (const watcher of [...(this.watchers.get(change.table) ?? [])]) this.guard(() => watcher(change));
    }
    this.guard(() => this.emit('updated'));
  }

  /** Runs the caller's code; its errors are the caller's and must not end the session. */
  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!this.emit('watcherError', error)) queueMicrotask(() => { throw error; });
    }
  }
}
