/** A connection that comes back: reconnects with backoff and lets calls wait for it as long as their time lasts. */
import { EventEmitter } from 'node:events';
import { LibvirtConnection } from './connection';
import type { CallOptions, ConnectionOptions } from './connection';
import { LibvirtConnectionError, LibvirtTimeoutError } from './errors';
import type { CallArgs, CallName, CallResult } from './protocol';

export interface BackoffOptions {
  /** First pause in ms; doubles up to `maxMs`. */
  minMs: number;
  maxMs: number;
}

export interface ManagedConnectionOptions extends ConnectionOptions {
  backoff?: BackoffOptions;
  /** Default time for a call in ms, waiting for the connection included. */
  timeoutMs: number;
  /** Prepares each new connection before calls may use it, e.g. registers events. A rejection discards the connection. */
  prepare?: (connection: LibvirtConnection) => Promise<void>;
}

interface ManagedEvents {
  /** A connection is ready. `true` when there was one before. */
  up: [boolean];
  /** The connection was lost; the next attempt follows by itself. */
  down: [Error | undefined];
  /** An attempt failed; the next follows by itself. */
  failure: [Error];
}

interface Waiter {
  resolve: (connection: LibvirtConnection) => void;
  reject: (error: Error) => void;
  timer?: NodeJS.Timeout;
}

const BACKOFF: BackoffOptions = { minMs: 250, maxMs: 5_000 };

export class ManagedConnection extends EventEmitter<ManagedEvents> {
  private current?: LibvirtConnection;
  private readonly waiters = new Set<Waiter>();
  private retryTimer?: NodeJS.Timeout;
  private pauseMs: number;
  private wasUp = false;
  private state: 'idle' | 'running' | 'closed' = 'idle';

  constructor(private readonly options: ManagedConnectionOptions) {
    super();
    this.pauseMs = this.backoff.minMs;
  }

  /** True while calls go straight to the daemon. */
  get up(): boolean {
    return this.current !== undefined;
  }

  /** Begins to connect, and keeps doing so until {@link close}. */
  start(): void {
    if (this.state !== 'idle') return;
    this.state = 'running';
    void this.attempt();
  }

  /**
   * As {@link LibvirtConnection.call}, but waits while there is no connection. Only calls that were never sent wait;
   * one whose connection is lost under way is rejected with `sent: true`.
   */
  async call<N extends CallName>(name: N, args: CallArgs<N>, options: CallOptions = {}): Promise<CallResult<N>> {
    const timeoutMs = options.timeoutMs ?? this.options.timeoutMs;
    const started = Date.now();
    const connection = this.current ?? (await this.ready(timeoutMs, name));
    const left = timeoutMs === 0 ? 0 : Math.max(1, timeoutMs - (Date.now() - started));
    try {
      return await connection.call(name, args, { timeoutMs: left });
    } finally {
      this.retireWhenStuck(connection);
    }
  }

  /** The connection, once there is one. `timeoutMs` 0 waits for ever. */
  ready(timeoutMs = this.options.timeoutMs, purpose = 'ready'): Promise<LibvirtConnection> {
    if (this.current) return Promise.resolve(this.current);
    if (this.state === 'closed') return Promise.reject(new LibvirtConnectionError('the connection is closed', false, purpose));
    this.start();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject };
      if (timeoutMs > 0) {
        waiter.timer = setTimeout(() => {
          this.waiters.delete(waiter);
          reject(new LibvirtTimeoutError(purpose, timeoutMs, false));
        }, timeoutMs);
      }
      this.waiters.add(waiter);
    });
  }

  /** Ends it for good; pending and waiting calls are rejected. */
  async close(): Promise<void> {
    this.state = 'closed';
    clearTimeout(this.retryTimer);
    this.settle((waiter) => waiter.reject(new LibvirtConnectionError('the connection was closed', false)));
    const { current } = this;
    this.current = undefined;
    await current?.close();
  }

  private get backoff(): BackoffOptions {
    return this.options.backoff ?? BACKOFF;
  }

  private async attempt(): Promise<void> {
    let connection: LibvirtConnection | undefined;
    try {
      connection = await LibvirtConnection.open(this.options);
      await this.options.prepare?.(connection);
      if (connection.closed) throw new LibvirtConnectionError('the connection was lost while it was prepared', false);
    } catch (error) {
      connection?.destroy();
      if (this.state === 'closed') return;
      this.emit('failure', error as Error);
      this.scheduleAttempt();
      return;
    }
    if (this.state === 'closed') {
      await connection.close();
      return;
    }
    this.use(connection);
  }

  private use(connection: LibvirtConnection): void {
    this.current = connection;
    this.pauseMs = this.backoff.minMs;
    connection.once('close', (reason) => this.lost(connection, reason));
    const again = this.wasUp;
    this.wasUp = true;
    this.settle((waiter) => waiter.resolve(connection));
    this.emit('up', again);
  }

  private lost(connection: LibvirtConnection, reason: Error | undefined): void {
    if (this.current !== connection) return;
    this.current = undefined;
    if (this.state === 'closed') return;
    this.scheduleAttempt();
    this.emit('down', reason);
  }

  private scheduleAttempt(): void {
    const pause = this.pauseMs * (0.75 + Math.random() / 4);
    this.pauseMs = Math.min(this.backoff.maxMs, this.pauseMs * 2);
    this.retryTimer = setTimeout(() => void this.attempt(), pause);
  }

  private settle(give: (waiter: Waiter) => void): void {
    for (const waiter of this.waiters) {
      clearTimeout(waiter.timer);
      give(waiter);
    }
    this.waiters.clear();
  }

  /** Calls that timed out keep their places at the daemon; when they hold all of them, only a new connection helps. */
  private retireWhenStuck(connection: LibvirtConnection): void {
    if (!connection.closed && connection.abandonedCalls >= connection.maxInFlight) connection.destroy();
  }
}
