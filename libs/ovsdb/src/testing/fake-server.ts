import * as net from 'node:net';
import { JsonStream } from '../json-stream';
import { storyDirectory } from './ovsdb-server';

export interface Request {
  readonly id: unknown;
  readonly method: string;
  readonly params: readonly unknown[];
}

/** One accepted connection, for a test to write to as it likes. */
export class FakePeer {
  constructor(readonly socket: net.Socket) {}

  /** Writes text in pieces of the given size (default: at once). */
  async raw(text: string, pieceBytes = Infinity): Promise<void> {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      this.socket.write(bytes.subarray(at, Math.min(bytes.length, at + pieceBytes)));
      if (pieceBytes !== Infinity) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  send(message: object): void {
    this.socket.write(JSON.stringify(message));
  }

  notify(method: string, ...params: unknown[]): void {
    this.send({ id: null, method, params });
  }

  answer(request: Request, result: unknown, error: unknown = null): void {
    this.send({ id: request.id, result, error });
  }
}

type Answer = (request: Request, peer: FakePeer) => void;

/** An OVSDB server that answers by script; `answers` may be changed while it runs. Methods without one stay unanswered. */
export class FakeServer {
  readonly requests: Request[] = [];
  readonly peers: FakePeer[] = [];
  private readonly directory = storyDirectory();
  private readonly server: net.Server;
  readonly remote = `unix:${this.directory.path}/fake.sock`;

  constructor(readonly answers: Record<string, Answer | undefined> = {}) {
    this.server = net.createServer((socket) => {
      const peer = new FakePeer(socket);
      this.peers.push(peer);
      socket.on('error', () => undefined);
      const stream = new JsonStream((message) => {
        const request = message as unknown as Request;
        this.requests.push(request);
        this.answers[request.method]?.(request, peer);
      });
      socket.on('data', (chunk: Buffer) => stream.push(chunk));
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(this.remote.slice(5), resolve));
    return this;
  }

  async stop(): Promise<void> {
    for (const peer of this.peers) peer.socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
    this.directory.remove();
  }

  /** Requests of one method so far. */
  of(method: string): Request[] {
    return this.requests.filter((request) => request.method === method);
  }
}
