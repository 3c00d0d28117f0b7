/** A hypervisor host: everything a compute agent wants of one libvirt daemon, over as many connections as that needs. */
import { EventEmitter } from 'node:events';
import { LibvirtConnection } from './connection';
import type { CallOptions, ConnectionOptions } from './connection';
import { ErrorCode } from './constants';
import { isLibvirtError } from './errors';
import { DomainEvents } from './events';
import { LANE_TIMEOUT_MS, laneOf } from './lanes';
import type { Lane } from './lanes';
import { ManagedConnection } from './managed-connection';
import type { BackoffOptions } from './managed-connection';
import type { CallArgs, CallName, CallResult } from './protocol';
import { domainEventNames } from './protocol/events';
import type { DomainEventMap, DomainEventName } from './protocol/events';
import type { Domain } from './protocol/structs';
import type { LibvirtStream } from './stream';

export interface HostOptions extends Omit<ConnectionOptions, 'timeoutMs' | 'dedicated'> {
  /** Default times by lane, in ms; 0 waits for ever. */
  timeouts?: Partial<Record<Lane, number>>;
  backoff?: BackoffOptions;
  /** Domain events to receive. */
  events?: readonly DomainEventName[];
}

export interface HostCallOptions extends CallOptions {
  /** Overrides the lane of the call's table. */
  lane?: Lane;
}

interface HostEvents {
  /** First connection. */
  connected: [];
  /** The control connection is back with its events registered. Events in between are lost: read everything again. */
  reconnected: [];
  /** The control connection is lost; it reconnects by itself. */
  disconnected: [Error | undefined];
  /** An attempt to connect failed, or a message could not be understood. For the log. */
  trouble: [Error];
  /** Any domain event that was asked for. */
  domainEvent: [DomainEventName, DomainEventMap[DomainEventName]];
}

const OPEN_TIMEOUT_MS = 60_000;

/**
 * Create, listen, {@link start}. Calls wait for the daemon within their time, so nothing breaks when it comes later
 * or restarts; only calls that were under way are rejected (`sent: true`).
 */
export class LibvirtHost extends EventEmitter<HostEvents> {
  /** Events by name, across reconnections. */
  readonly events = new EventEmitter<{ [N in DomainEventName]: [DomainEventMap[N]] }>();
  private readonly control: ManagedConnection;
  private readonly shared: Record<Exclude<Lane, 'jobs'>, ManagedConnection>;
  private readonly extra = new Set<LibvirtConnection>();
  private closed = false;

  constructor(private readonly options: HostOptions) {
    super();
    this.control = this.lane('control', (connection) => this.subscribe(connection));
    this.shared = { control: this.control, stats: this.lane('stats'), ops: this.lane('ops') };
    this.control.on('up', (again) => this.emit(again ? 'reconnected' : 'connected'));
    this.control.on('down', (reason) => this.emit('disconnected', reason));
  }

  /** Connects in the background and keeps connected until {@link close}. */
  start(): this {
    for (const connection of Object.values(this.shared)) connection.start();
    return this;
  }

  /** True while the control connection is there. */
  get up(): boolean {
    return this.control.up;
  }

  /** Resolves once the daemon answers; @throws LibvirtTimeoutError */
  async ready(timeoutMs?: number): Promise<void> {
    await this.control.ready(timeoutMs);
  }

  /** Calls the daemon over the connection that suits the call. Errors as {@link LibvirtConnection.call}. */
  async call<N extends CallName>(name: N, args: CallArgs<N>, options: HostCallOptions = {}): Promise<CallResult<N>> {
    const lane = options.lane ?? laneOf(name);
    if (lane !== 'jobs') return this.shared[lane].call(name, args, options);
    const connection = await this.dedicated();
    try {
      return await connection.call(name, args, { timeoutMs: options.timeoutMs ?? this.timeout('jobs') });
    } finally {
      // A job that timed out is still at work: closing politely would wait behind it.
      if (connection.abandonedCalls > 0) connection.destroy();
      else void connection.close();
    }
  }

  /**
   * Opens a stream on a connection of its own, which is closed with the stream. A reader that pauses holds back nothing
   * but this stream.
   */
  async openStream<N extends CallName>(
    name: N,
    args: CallArgs<N>,
    options: CallOptions = {},
  ): Promise<{ result: CallResult<N>; stream: LibvirtStream }> {
    const connection = await this.dedicated(true);
    try {
      const opened = await connection.openStream(name, args, { timeoutMs: options.timeoutMs ?? this.timeout('ops') });
      opened.stream.once('close', () => void connection.close());
      return opened;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  /** All domains, running or not. `flags` narrows, see `ListDomainsFlag`. */
  async listDomains(flags = 0): Promise<Domain[]> {
    return (await this.call('connectListAllDomains', { flags })).domains;
  }

  /** The domain of that uuid, or null. */
  async findDomain(uuid: string): Promise<Domain | null> {
    try {
      return (await this.call('domainLookupByUuid', { uuid })).dom;
    } catch (error) {
      if (isLibvirtError(error, ErrorCode.NO_DOMAIN)) return null;
      throw error;
    }
  }

  /** Ends all connections; what is pending is rejected. */
  async close(): Promise<void> {
    this.closed = true;
    for (const connection of this.extra) connection.destroy();
    await Promise.all(Object.values(this.shared).map((connection) => connection.close()));
  }

  private lane(lane: Lane, prepare?: (connection: LibvirtConnection) => Promise<void>): ManagedConnection {
    const { timeouts: _timeouts, events: _events, ...options } = this.options;
    const managed = new ManagedConnection({ ...options, timeoutMs: this.timeout(lane), ...(prepare && { prepare }) });
    managed.on('failure', (error) => this.emit('trouble', error));
    return managed;
  }

  private timeout(lane: Lane): number {
    return this.options.timeouts?.[lane] ?? LANE_TIMEOUT_MS[lane];
  }

  private async dedicated(stream = false): Promise<LibvirtConnection> {
    const { timeouts: _timeouts, events: _events, backoff: _backoff, ...options } = this.options;
    // Waits for a daemon that is away, as the calls of the other lanes do.
    await this.control.ready(options.openTimeoutMs ?? OPEN_TIMEOUT_MS);
    const connection = await LibvirtConnection.open({ ...options, dedicated: stream });
    this.extra.add(connection);
    connection.once('close', () => this.extra.delete(connection));
    if (this.closed) connection.destroy();
    return connection;
  }

  private async subscribe(connection: LibvirtConnection): Promise<void> {
    const wanted = this.options.events ?? [];
    const source = new DomainEvents(connection);
    connection.on('protocolError', (error) => this.emit('trouble', error));
    for (const name of domainEventNames) {
      if (wanted.includes(name)) source.on(name, (event: DomainEventMap[DomainEventName]) => this.deliver(name, event));
    }
    await source.register(wanted);
  }

  private deliver(name: DomainEventName, event: DomainEventMap[DomainEventName]): void {
    (this.events as EventEmitter).emit(name, event);
    this.emit('domainEvent', name, event);
  }
}
