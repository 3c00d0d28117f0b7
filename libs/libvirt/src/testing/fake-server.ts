/**
 * A libvirt daemon without a hypervisor, for tests: speaks the protocol with the client's own codecs and answers calls
 * by handlers. Authentication, opening, closing and event registration are built in. It can also misbehave.
 */
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ErrorCode } from '../constants';
import { LibvirtError } from '../errors';
import { encodeFrame, FrameReader, MessageStatus, MessageType } from '../frame';
import type { Frame } from '../frame';
import { nameOf, Program, rowOf } from '../protocol';
import type { CallArgsOut, CallName, CallResultIn } from '../protocol';
import { domainEvents, domainEventNames, messageOf } from '../protocol/events';
import type { DomainEventIn, DomainEventName } from '../protocol/events';
import { errorBody } from '../protocol/structs';
import { XdrReader, XdrWriter } from '../xdr';

/** One client of the server. */
export interface FakeClient {
  readonly socket: Socket;
  /** Raw bytes to the client. */
  send(bytes: Uint8Array): void;
  /** Every frame it sent, in order. */
  readonly received: Frame[];
  /** Event name to callback id. */
  readonly registered: Map<DomainEventName, number>;
}

export interface FakeCall {
  client: FakeClient;
  frame: Frame;
  /** Sends a message of the stream that this call opened. */
  sendStream(status: number, data?: Uint8Array): void;
}

type Handler = (args: never, call: FakeCall) => unknown;

export class FakeLibvirtServer {
  readonly clients: FakeClient[] = [];
  /** Answer keepalive pings. */
  answersPings = true;
  /** Read from clients at all: a stopped daemon does not. */
  deaf = false;
  /** Stream messages of clients. */
  onStream: (frame: Frame, client: FakeClient) => void = () => undefined;
  private readonly handlers = new Map<CallName, Handler>();
  private callbackId = 0;
  private server?: Server;

  private constructor(private readonly directory: string) {
    this.handle('authList', () => ({ types: [0] }));
    this.handle('connectOpen', () => ({}));
    this.handle('connectClose', () => ({}));
    this.handle('connectRegisterDomainEvent', ({ eventId }, { client }) => {
      const name = domainEventNames.find((one) => domainEvents[one].id === eventId);
      if (!name) throw new LibvirtError({ code: ErrorCode.INVALID_ARG, message: 'unknown event' }, 'fake');
      this.callbackId += 1;
      client.registered.set(name, this.callbackId);
      return { callbackId: this.callbackId };
    });
    this.handle('connectDeregisterDomainEvent', ({ callbackId }, { client }) => {
      for (const [name, id] of client.registered) if (id === callbackId) client.registered.delete(name);
      return {};
    });
  }

  /** Starts on a socket in a directory of its own. */
  static async start(): Promise<FakeLibvirtServer> {
    const server = new FakeLibvirtServer(mkdtempSync(join(tmpdir(), 'virga-fake-libvirt-')));
    await server.listen();
    return server;
  }

  get socketPath(): string {
    return join(this.directory, 'sock');
  }

  /** Accepts clients (again). */
  async listen(): Promise<void> {
    const server = createServer((socket) => this.accept(socket));
    this.server = server;
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(this.socketPath, resolve));
  }

  /** What a killed daemon looks like: clients are cut off, the socket is gone. {@link listen} brings it back. */
  async kill(): Promise<void> {
    for (const { socket } of this.clients.splice(0)) socket.destroy();
    const { server } = this;
    this.server = undefined;
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Sets what a call answers. A thrown LibvirtError becomes an error reply; a promise that never settles, silence. */
  handle<N extends CallName>(
    name: N,
    handler: (args: CallArgsOut<N>, call: FakeCall) => CallResultIn<N> | Promise<CallResultIn<N>>,
  ): void {
    this.handlers.set(name, handler as Handler);
  }

  /** Sends an event to every client that registered it. */
  emit<N extends DomainEventName>(name: N, event: Omit<DomainEventIn<N>, 'callbackId'>): void {
    for (const client of this.clients) {
      const callbackId = client.registered.get(name);
      if (callbackId === undefined) continue;
      const header = { program: Program.REMOTE, procedure: domainEvents[name].number, type: MessageType.EVENT, serial: 0, status: 0 };
      client.send(encodeFrame(header, (writer) => messageOf(name).encode(writer, { ...event, callbackId } as never)));
    }
  }

  private accept(socket: Socket): void {
    const client: FakeClient = { socket, received: [], registered: new Map(), send: (bytes) => void (socket.writable && socket.write(bytes)) };
    this.clients.push(client);
    const frames = new FrameReader();
    socket.on('error', () => undefined);
    socket.on('close', () => {
      const at = this.clients.indexOf(client);
      if (at >= 0) this.clients.splice(at, 1);
    });
    socket.on('data', (chunk) => {
      if (this.deaf) return;
      for (const frame of frames.push(chunk)) {
        client.received.push(frame);
        void this.serve(frame, client);
      }
    });
  }

  private async serve(frame: Frame, client: FakeClient): Promise<void> {
    if (frame.program === Program.KEEPALIVE) {
      if (frame.procedure === 1 && this.answersPings) client.send(encodeFrame({ ...frame, procedure: 2 }));
      return;
    }
    if (frame.type === MessageType.STREAM) {
      this.onStream(frame, client);
      return;
    }
    const name = nameOf(frame.program, frame.procedure);
    const handler = name && this.handlers.get(name);
    const header = { program: frame.program, procedure: frame.procedure, serial: frame.serial };
    try {
      if (!name || !handler) throw new LibvirtError({ code: ErrorCode.RPC, message: `no procedure ${frame.procedure}` }, 'fake');
      const reader = new XdrReader(frame.body);
      const args = rowOf(name).args.decode(reader);
      reader.end();
      const result = await handler(args as never, {
        client,
        frame,
        sendStream: (status, data) => client.send(encodeFrame({ ...header, type: MessageType.STREAM, status }, data)),
      });
      const body = (writer: XdrWriter): void => rowOf(name).result.encode(writer, result as never);
      client.send(encodeFrame({ ...header, type: MessageType.REPLY, status: MessageStatus.OK }, body));
    } catch (error) {
      if (!(error instanceof LibvirtError)) throw error;
      client.send(encodeFrame({ ...header, type: MessageType.REPLY, status: MessageStatus.ERROR }, errorBodyOf(error)));
    }
  }
}

/** The body of an error reply. */
export function errorBodyOf(error: LibvirtError): (writer: XdrWriter) => void {
  const { code, domain, message, level, str1, str2, str3, int1, int2 } = error;
  return (writer) => errorBody.encode(writer, { code, domain, message, level, str1, str2, str3, int1, int2, dom: null, net: null });
}
