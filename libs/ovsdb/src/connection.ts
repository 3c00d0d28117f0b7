import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { CallTimeoutError, ConnectionLostError, NotConnectedError, OvsdbError, ProtocolError, ServerError } from './errors';
import { JsonStream } from './json-stream';
import type { JsonStreamLimits } from './json-stream';
import { dial } from './remotes';
import type { TlsOptions } from './remotes';

export interface ConnectionOptions {
  readonly tls?: TlsOptions;
  /** Milliseconds to establish the connection (default 5000). */
  readonly connectTimeoutMs?: number;
  /** Milliseconds a call may take unless it says otherwise (default 30000). */
  readonly callTimeoutMs?: number;
  /** Milliseconds of silence after which the peer is probed; after as long again it counts as dead. 0 = never (default 5000). */
  readonly probeMs?: number;
  /** Calls that may be under way at once (default 4096). */
  readonly maxPendingCalls?: number;
  readonly limits?: Partial<JsonStreamLimits>;
}

interface PendingCall {
  readonly method: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: OvsdbError) => void;
  readonly timer: NodeJS.Timeout;
}

interface ConnectionEvents {
  notification: [method: string, params: readonly unknown[]];
  close: [reason: OvsdbError];
}

/**
 * One JSON-RPC 1.0 connection to an OVSDB server: calls matched by id, echo requests answered, the peer probed
 * while silent. It ends once and stays ended; `OvsdbClient` makes new ones.
 */
export class Connection extends EventEmitter<ConnectionEvents> {
  private readonly pending = new Map<number, PendingCall>();
  private readonly probe: NodeJS.Timeout | undefined;
  private nextId = 1;
  private heardAt = Date.now();
  private probing = false;
  private ended: OvsdbError | undefined;

  private constructor(
    readonly remote: string,
    private readonly socket: Socket,
    private readonly options: ConnectionOptions,
  ) {
    super();
    const stream = new JsonStream((message) => this.receive(message), options.limits);
    socket.on('data', (chunk: Buffer) => {
      this.heardAt = Date.now();
      this.probing = false;
      try {
        stream.push(chunk);
      } catch (error) {
        this.end(error instanceof OvsdbError ? error : new ProtocolError('cannot read from the server', { cause: error }));
      }
    });
    socket.on('error', (cause) => this.end(new ConnectionLostError(`${remote}: ${cause.message}`, true, { cause })));
    socket.on('close', () => this.end(new ConnectionLostError(`${remote}: connection closed`, true)));
    const probeMs = options.probeMs ?? 5000;
    if (probeMs > 0) this.probe = setInterval(() => this.checkAlive(probeMs), Math.max(1, probeMs / 4)).unref();
  }

  /** Connects to `unix:`, `tcp:` or `ssl:`; rejects with NotConnectedError when that fails or takes too long. */
  static async open(remote: string, options: ConnectionOptions = {}): Promise<Connection> {
    const { socket, readyEvent } = dial(remote, options.tls);
    return new Promise((resolve, reject) => {
      const fail = (cause: Error): void => {
        clearTimeout(timer);
        socket.destroy();
        reject(new NotConnectedError(`${remote}: ${cause.message}`, { cause }));
      };
      const timer = setTimeout(() => fail(new Error('timed out while connecting')), options.connectTimeoutMs ?? 5000);
      socket.once('error', fail);
      socket.once(readyEvent, () => {
        clearTimeout(timer);
        socket.off('error', fail);
        resolve(new Connection(remote, socket, options));
      });
    });
  }

  /** Why the connection ended, or `undefined` while it lives. */
  get closedBy(): OvsdbError | undefined {
    return this.ended;
  }

  /** Calls under way. */
  get pendingCalls(): number {
    return this.pending.size;
  }

  /**
   * Calls a method. Fails at once when the connection has ended.
   * @param timeoutMs milliseconds until CallTimeoutError; a timed-out transaction is also cancelled at the server
   */
  call(method: string, params: readonly unknown[], timeoutMs = this.options.callTimeoutMs ?? 30_000): Promise<unknown> {
    if (this.ended) return Promise.reject(new NotConnectedError(`${this.remote}: connection has ended`, { cause: this.ended }));
    if (this.pending.size >= (this.options.maxPendingCalls ?? 4096)) {
      return Promise.reject(new NotConnectedError(`${this.remote}: too many calls under way`));
    }
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.expire(id, timeoutMs), timeoutMs);
      this.pending.set(id, { method, resolve, reject, timer });
      this.send({ id, method, params });
    });
  }

  /** Ends the connection; calls under way fail with ConnectionLostError. */
  close(reason: OvsdbError = new ConnectionLostError(`${this.remote}: closed by this client`, true)): void {
    this.end(reason);
  }

  private send(message: object): void {
    this.socket.write(JSON.stringify(message));
  }

  private expire(id: number, timeoutMs: number): void {
    const call = this.take(id);
    if (!call) return;
    if (call.method === 'transact') this.send({ id: null, method: 'cancel', params: [id] });
    call.reject(new CallTimeoutError(`${call.method}: no answer within ${timeoutMs} ms`, true));
  }

  private take(id: unknown): PendingCall | undefined {
    const call = this.pending.get(id as number);
    if (!call) return undefined;
    this.pending.delete(id as number);
    clearTimeout(call.timer);
    return call;
  }

  private receive(message: Record<string, unknown>): void {
    if (this.ended) return;
    if (typeof message.method === 'string') return this.receiveRequest(message.method, message);
    // An answer to no known call is a late one (after a timeout) or a repeated one: nothing waits for it.
    const call = this.take(message.id);
    if (!call) return;
    if (message.error === null || message.error === undefined) call.resolve(message.result);
    else call.reject(serverError(call.method, message.error));
  }

  private receiveRequest(method: string, message: Record<string, unknown>): void {
    const params = message.params;
    if (!Array.isArray(params)) throw new ProtocolError(`${method} without a list of parameters`);
    if (method === 'echo') return this.send({ id: message.id, result: params, error: null });
    if (message.id === null || message.id === undefined) return void this.emit('notification', method, params);
    this.send({ id: message.id, result: null, error: { error: 'unknown method' } });
  }

  private checkAlive(probeMs: number): void {
    const silence = Date.now() - this.heardAt;
    if (silence > 2 * probeMs && this.probing) {
      return this.end(new ConnectionLostError(`${this.remote}: no sign of life for ${silence} ms`, true));
    }
    if (silence > probeMs && !this.probing) {
      this.probing = true;
      this.call('echo', [], 2 * probeMs).catch(() => undefined);
    }
  }

  private end(reason: OvsdbError): void {
    if (this.ended) return;
    this.ended = reason;
    clearInterval(this.probe);
    this.socket.destroy();
    for (const id of [...this.pending.keys()]) {
      this.take(id)!.reject(new ConnectionLostError(reason.message, true, { cause: reason }));
    }
    this.emit('close', reason);
  }
}

function serverError(method: string, error: unknown): ServerError {
  if (typeof error === 'string') return new ServerError(method, error);
  const { error: code, details } = error as { error?: unknown; details?: unknown };
  return new ServerError(method, String(code ?? JSON.stringify(error)), details === undefined ? undefined : String(details));
}
