/** One connection to a libvirt daemon over its unix socket. */
import { EventEmitter } from 'node:events';
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { ConnectFlag, DEFAULT_SOCKET_PATH } from './constants';
import { LibvirtConnectionError, LibvirtError, LibvirtProtocolError, LibvirtTimeoutError } from './errors';
import { encodeFrame, FrameReader, MessageStatus, MessageType } from './frame';
import type { Frame } from './frame';
import { Keepalive } from './keepalive';
import type { KeepaliveOptions } from './keepalive';
import { Program, PROGRAM_VERSION, programOf, rowOf } from './protocol';
import type { CallArgs, CallName, CallResult } from './protocol';
import { errorBody } from './protocol/structs';
import { LibvirtStream } from './stream';
import { XdrReader } from './xdr';

export interface ConnectionOptions {
  /** Path of the daemon's socket. Modular daemons have one per driver. */
  socketPath?: string;
  /** Driver URI, e.g. `qemu:///system` or `test:///default`. */
  uri: string;
  /** Refuses changes at the daemon; goes with the daemon's read-only socket. */
  readOnly?: boolean;
  /** Time for the socket, authentication and opening the driver, in ms. A fresh daemon probes its emulators first. */
  openTimeoutMs?: number;
  /** Default time for a call, in ms; 0 waits for ever. */
  timeoutMs?: number;
  /**
   * Most calls at the daemon at a time; more wait here. The daemon stops reading a connection at `max_client_requests`
   * (5 by default), which would also hold back keepalive and every call behind.
   */
  maxInFlight?: number;
  keepalive?: KeepaliveOptions | false;
  /**
   * The connection serves a single stream: a slow reader then pauses the socket. On a shared one it cannot, and a stream
   * whose unread data exceeds `maxBufferedBytes` is aborted.
   */
  dedicated?: boolean;
  /** Bytes. */
  maxBufferedBytes?: number;
}

export interface CallOptions {
  /** Time for this call in ms, counted from the request, waiting in line included; 0 waits for ever. */
  timeoutMs?: number;
}

interface ConnectionEvents {
  /** The connection ended; nothing follows. With the reason, if it was not asked for. */
  close: [LibvirtConnectionError | undefined];
  /** A message that is no reply: procedure number and body. */
  message: [number, Buffer];
  /** A message that could not be understood and was dropped. */
  protocolError: [LibvirtProtocolError];
}

interface Pending {
  readonly name: CallName;
  readonly message: (serial: number) => Buffer;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  stream?: LibvirtStream;
  timer?: NodeJS.Timeout;
  /** The caller has gone, but the daemon still works on it and the place stays taken. */
  abandoned?: boolean;
}

const DEFAULTS = {
  socketPath: DEFAULT_SOCKET_PATH,
  openTimeoutMs: 60_000,
  timeoutMs: 30_000,
  maxInFlight: 4,
  keepalive: { intervalMs: 5_000, count: 5 } as KeepaliveOptions | false,
  readOnly: false,
  dedicated: false,
  maxBufferedBytes: 4 * 1024 * 1024,
};
const AUTH = { NONE: 0, POLKIT: 2 };
const PING = 1;
const PONG = 2;
const MAX_TIMER = 2 ** 31 - 1;

/** Open it with {@link LibvirtConnection.open}. It never reconnects; see `LibvirtHost` for that. */
export class LibvirtConnection extends EventEmitter<ConnectionEvents> {
  private readonly options: Required<ConnectionOptions>;
  private readonly frames = new FrameReader();
  private readonly queue: Pending[] = [];
  private readonly inFlight = new Map<number, Pending>();
  private readonly streams = new Map<number, LibvirtStream>();
  private readonly keepalive?: Keepalive;
  private serial = 0;
  private state: 'open' | 'closed' = 'open';

  private constructor(private readonly socket: Socket, options: ConnectionOptions) {
    super();
    this.options = { ...DEFAULTS, ...options };
    const { keepalive } = this.options;
    if (keepalive) {
      this.keepalive = new Keepalive(
        keepalive,
        () => this.sendKeepalive(PING),
        (silent) => this.fail(new LibvirtConnectionError(`the daemon was silent for ${silent} ms`, true)),
      );
    }
    socket.on('data', (chunk) => this.receive(chunk));
    socket.on('error', (error) => this.fail(new LibvirtConnectionError(`the socket failed: ${error.message}`, true)));
    socket.on('close', () => this.fail(new LibvirtConnectionError('the daemon closed the connection', true)));
  }

  /**
   * Connects, authenticates ("none" or polkit, which lets root pass) and opens the driver.
   * @throws LibvirtConnectionError no daemon at the socket, or it left; LibvirtTimeoutError; LibvirtError the driver refused
   */
  static async open(options: ConnectionOptions): Promise<LibvirtConnection> {
    const { socketPath, openTimeoutMs } = { ...DEFAULTS, ...options };
    const deadline = Date.now() + openTimeoutMs;
    const left = (): number => Math.max(1, deadline - Date.now());
    const socket = await connectSocket(socketPath, left());
    const connection = new LibvirtConnection(socket, options);
    connection.keepalive?.start();
    try {
      await connection.authenticate(left);
      const flags = options.readOnly ? ConnectFlag.READ_ONLY : 0;
      await connection.call('connectOpen', { name: options.uri, flags }, { timeoutMs: left() });
      return connection;
    } catch (error) {
      connection.fail(undefined);
      throw error;
    }
  }

  get closed(): boolean {
    return this.state === 'closed';
  }

  /** Places at the daemon that are held by calls whose caller no longer waits. */
  get abandonedCalls(): number {
    return [...this.inFlight.values()].filter((pending) => pending.abandoned).length;
  }

  get maxInFlight(): number {
    return this.options.maxInFlight;
  }

  /**
   * Calls the daemon.
   * @throws LibvirtError | LibvirtConnectionError | LibvirtTimeoutError | LibvirtProtocolError (an argument or the reply
   *   does not fit its type; the connection stays usable)
   */
  call<N extends CallName>(name: N, args: CallArgs<N>, options: CallOptions = {}): Promise<CallResult<N>> {
    return this.request(name, args, options) as Promise<CallResult<N>>;
  }

  /** Calls the daemon and gives the stream which that call opens, e.g. `domainOpenConsole`. */
  async openStream<N extends CallName>(
    name: N,
    args: CallArgs<N>,
    options: CallOptions = {},
  ): Promise<{ result: CallResult<N>; stream: LibvirtStream }> {
    let serial = 0;
    const stream: LibvirtStream = new LibvirtStream(name, {
      sendStream: (status, data, sent) => this.sendStream(name, serial, status, data, sent),
      decodeError: (body) => this.decodeError(name, body),
      forget: () => void this.streams.delete(serial),
      ...(this.options.dedicated && { pause: () => this.socket.pause(), resume: () => this.socket.resume() }),
    }, this.options);
    // A stream may fail before its opener has had the chance to listen; the caller's own listeners still see it.
    stream.on('error', () => undefined);
    const result = await this.request(name, args, options, { stream, sent: (given) => (serial = given) });
    return { result: result as CallResult<N>, stream };
  }

  /** Says goodbye and closes. Pending calls are rejected. Never throws. */
  async close(): Promise<void> {
    if (this.state === 'closed') return;
    await this.call('connectClose', {}, { timeoutMs: 1_000 }).catch(() => undefined);
    this.fail(undefined);
  }

  /** Drops the connection at once. */
  destroy(): void {
    this.fail(undefined);
  }

  private async authenticate(left: () => number): Promise<void> {
    const { types } = await this.call('authList', {}, { timeoutMs: left() });
    if (types.length === 0 || types.includes(AUTH.NONE)) return;
    if (!types.includes(AUTH.POLKIT)) {
      throw new LibvirtConnectionError(`the daemon demands an unsupported authentication (${types.join()})`, false);
    }
    await this.call('authPolkit', {}, { timeoutMs: left() });
  }

  private request(
    name: CallName,
    args: unknown,
    { timeoutMs = this.options.timeoutMs }: CallOptions,
    opening?: { stream: LibvirtStream; sent: (serial: number) => void },
  ): Promise<unknown> {
    const row = rowOf(name);
    return new Promise((resolve, reject) => {
      if (this.state === 'closed') {
        reject(new LibvirtConnectionError('the connection is closed', false, name));
        return;
      }
      // Encoded at once, so that a bad argument fails here and later changes of the object do not matter.
      const message = encodeFrame(
        { program: programOf(name), procedure: row.number, type: MessageType.CALL, serial: 0, status: MessageStatus.OK },
        row.hasArgs ? (writer) => row.args.encode(writer, args as never) : undefined,
      );
      const pending: Pending = {
        name,
        message: (serial) => {
          message.writeUInt32BE(serial, 20);
          opening?.sent(serial);
          return message;
        },
        resolve,
        reject,
        ...(opening && { stream: opening.stream }),
      };
      if (timeoutMs > 0) {
        pending.timer = setTimeout(() => this.timeOut(pending, timeoutMs), Math.min(timeoutMs, MAX_TIMER));
      }
      this.queue.push(pending);
      this.flush();
    });
  }

  private flush(): void {
    while (this.state === 'open' && this.queue.length > 0 && this.inFlight.size < this.options.maxInFlight) {
      const pending = this.queue.shift()!;
      const serial = this.nextSerial();
      this.inFlight.set(serial, pending);
      if (pending.stream) this.streams.set(serial, pending.stream);
      this.socket.write(pending.message(serial));
    }
  }

  private nextSerial(): number {
    do this.serial = (this.serial % 0xffffffff) + 1;
    while (this.inFlight.has(this.serial) || this.streams.has(this.serial));
    return this.serial;
  }

  private timeOut(pending: Pending, timeoutMs: number): void {
    const at = this.queue.indexOf(pending);
    if (at >= 0) this.queue.splice(at, 1);
    else pending.abandoned = true;
    const error = new LibvirtTimeoutError(pending.name, timeoutMs, at < 0);
    pending.reject(error);
  }

  private receive(chunk: Buffer): void {
    this.keepalive?.received();
    try {
      for (const frame of this.frames.push(chunk)) {
        if (this.state === 'open') this.dispatch(frame);
      }
    } catch (error) {
      if (!(error instanceof LibvirtProtocolError)) throw error;
      this.fail(new LibvirtConnectionError(`the daemon sent garbage: ${error.message}`, true));
    }
  }

  private dispatch(frame: Frame): void {
    if (frame.version !== PROGRAM_VERSION) throw new LibvirtProtocolError(`protocol version ${frame.version}`);
    if (frame.program === Program.KEEPALIVE) {
      if (frame.procedure === PING) this.sendKeepalive(PONG);
    } else if (frame.type === MessageType.REPLY) {
      this.settle(frame);
    } else if (frame.type === MessageType.STREAM || frame.type === MessageType.STREAM_HOLE) {
      this.streams.get(frame.serial)?.receive(frame);
    } else if (frame.type === MessageType.EVENT) {
      if (frame.program === Program.REMOTE) this.emit('message', frame.procedure, frame.body);
    } else {
      throw new LibvirtProtocolError(`message type ${frame.type}`);
    }
  }

  private settle(frame: Frame): void {
    const pending = this.inFlight.get(frame.serial);
    if (!pending) throw new LibvirtProtocolError(`a reply to a call that was not made (serial ${frame.serial})`);
    const row = rowOf(pending.name);
    if (frame.procedure !== row.number || frame.program !== programOf(pending.name)) {
      throw new LibvirtProtocolError(`a reply of procedure ${frame.procedure} to ${pending.name}`);
    }
    this.inFlight.delete(frame.serial);
    clearTimeout(pending.timer);
    this.finishCall(pending, frame);
    this.flush();
  }

  private finishCall(pending: Pending, frame: Frame): void {
    const { name, stream } = pending;
    try {
      if (frame.status !== MessageStatus.OK) throw this.decodeError(name, frame.body);
      const reader = new XdrReader(frame.body);
      const result = rowOf(name).result.decode(reader);
      reader.end();
      if (pending.abandoned) stream?.destroy();
      else pending.resolve(result);
    } catch (error) {
      const reason = error instanceof LibvirtProtocolError
        ? new LibvirtProtocolError(`the reply to ${name} is malformed: ${error.message}`)
        : (error as Error);
      stream?.lost(reason);
      pending.reject(reason);
    }
  }

  private decodeError(name: CallName, body: Buffer): LibvirtError {
    const fields = errorBody.decode(new XdrReader(body));
    return new LibvirtError({ ...fields, message: fields.message ?? '' }, name);
  }

  private sendStream(
    name: CallName,
    serial: number,
    status: number,
    data: Uint8Array | undefined,
    sent?: (error?: Error | null) => void,
  ): void {
    if (this.state === 'closed' || serial === 0) {
      sent?.(new LibvirtConnectionError('the connection is closed', false, name));
      return;
    }
    const header = { program: programOf(name), procedure: rowOf(name).number, type: MessageType.STREAM, serial, status };
    this.socket.write(encodeFrame(header, data), sent);
  }

  private sendKeepalive(procedure: number): void {
    if (this.state === 'closed') return;
    const header = { program: Program.KEEPALIVE, procedure, type: MessageType.EVENT, serial: 0, status: MessageStatus.OK };
    this.socket.write(encodeFrame(header));
  }

  private fail(reason: LibvirtConnectionError | undefined): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.keepalive?.stop();
    this.socket.destroy();
    const message = reason?.message ?? 'the connection was closed';
    const cause = reason && { cause: reason };
    const reject = (pending: Pending, sent: boolean): void => {
      clearTimeout(pending.timer);
      const error = new LibvirtConnectionError(message, sent, pending.name, cause);
      pending.reject(error);
    };
    const { queue, inFlight, streams } = this;
    for (const stream of [...streams.values()]) stream.lost(new LibvirtConnectionError(message, true, stream.procedure, cause));
    for (const pending of inFlight.values()) reject(pending, true);
    for (const pending of queue.splice(0)) reject(pending, false);
    inFlight.clear();
    streams.clear();
    this.emit('close', reason);
  }
}

function connectSocket(path: string, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    const timer = setTimeout(() => give(new LibvirtConnectionError(`${path} did not accept within ${timeoutMs} ms`, false)), timeoutMs);
    const give = (error?: Error): void => {
      clearTimeout(timer);
      socket.off('error', failed);
      if (!error) return resolve(socket);
      socket.destroy();
      reject(error);
    };
    const failed = (error: Error): void => give(new LibvirtConnectionError(`cannot connect to ${path}: ${error.message}`, false, undefined, { cause: error }));
    socket.once('connect', () => give());
    socket.once('error', failed);
  });
}
