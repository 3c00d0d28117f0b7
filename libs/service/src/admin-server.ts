import { createServer, type IncomingMessage, type Server } from 'node:http';
import { chmodSync, existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { systemClock, type Logger } from '@virga/core';
import { listenTarget } from './listen-target';

/** Answers a request with an object, sent as JSON; gets the parsed body, or undefined when there is none. */
export type AdminHandler = (body: unknown) => Promise<unknown>;
/** Largest body of an admin request, bytes. */
const MAX_BODY = 65_536;
/** A check that takes longer has failed, ms. */
const CHECK_MS = 2000;

export type ReadinessCheck = () => Promise<boolean> | boolean;

/**
 * Health and metrics of one process, apart from its public API: GET /healthz (the event loop turns), /readyz (every
 * check holds; 503 names those that do not), /metrics (Prometheus text).
 */
export class AdminServer {
  readonly metrics = new Registry();
  private readonly checks = new Map<string, ReadinessCheck>();
  private readonly handlers = new Map<string, AdminHandler>();
  private server: Server | undefined;
  /** Of a unix socket: the path under which it is looked for, and the one at which it was made. */
  private socket: { path: string; made: string } | undefined;
  private inode: number | undefined;
  private draining = false;

  constructor(private readonly logger: Logger) {
    collectDefaultMetrics({ register: this.metrics });
  }

  addCheck(name: string, check: ReadinessCheck): void {
    this.checks.set(name, check);
  }

  /** Something an operator may ask of the process: `POST path` with a JSON body. Who may reach the listener may ask. */
  addPost(path: string, handler: AdminHandler): void {
    this.handlers.set(path, handler);
  }

  drain(): void {
    this.draining = true;
  }

  /**
   * Begins to answer. A unix socket that another process answers at (which this one is to relieve) stays that one's until
   * `takeOver`.
   */
  async listen(listen: string): Promise<void> {
    let target = listenTarget(listen);
    if ('path' in target) {
      this.socket = { path: target.path, made: `${target.path}.${process.pid}` };
      target = { path: this.socket.made };
      rmSync(this.socket.made, { force: true });
    }
    this.server = createServer((request, response) => {
      this.answer(request).then(
        ({ status, body, type }) => response.writeHead(status, { 'content-type': type }).end(body),
        (error: unknown) => { this.logger.error({ err: error }, 'admin request failed'); response.writeHead(500).end(); },
      );
    });
    await new Promise<void>((resolve, reject) => this.server!.once('error', reject).listen(target, resolve));
    if (!this.socket) return;
    chmodSync(this.socket.made, 0o600);
    this.inode = inode(this.socket.made);
    if (!(await isAnswered(this.socket.path))) this.takeOver();
  }

  /** From now on who asks at the socket's path asks this process. */
  takeOver(): void {
    if (this.socket && existsSync(this.socket.made)) renameSync(this.socket.made, this.socket.path);
  }

  async close(): Promise<void> {
    const own = this.socket && inode(this.socket.path) === this.inode ? this.socket.path : undefined;
    this.server?.closeAllConnections();
    await new Promise<void>((resolve) => (this.server ? this.server.close(() => resolve()) : resolve()));
    if (own) rmSync(own, { force: true });
  }

  private async answer(request: IncomingMessage): Promise<{ status: number; body: string; type: string }> {
    const json = (status: number, body: unknown) => ({ status, body: JSON.stringify(body), type: 'application/json' });
    const url = request.url ?? '/';
    if (request.method === 'POST') {
      const handler = this.handlers.get(url);
      return handler ? json(200, await handler(await bodyOf(request))) : json(404, { error: 'not found' });
    }
    if (url === '/healthz') return json(200, { live: true, pid: process.pid });
    if (url === '/metrics') return { status: 200, body: await this.metrics.metrics(), type: this.metrics.contentType };
    if (url !== '/readyz') return json(404, { error: 'not found' });
    const results = await Promise.all([...this.checks].map(async ([name, check]) => {
      try { return [name, await inTime(check)] as const; } catch { return [name, false] as const; }
    }));
    const ready = !this.draining && results.every(([, ok]) => ok);
    return json(ready ? 200 : 503, { ready, pid: process.pid, draining: this.draining, checks: Object.fromEntries(results) });
  }
}

const inode = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.ino;

const isAnswered = (path: string): Promise<boolean> => new Promise((resolve) => {
  const socket = connect(path, () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
});

/** A database that hangs does not hang the answer. */
async function inTime(check: ReadinessCheck): Promise<boolean> {
  const patience = new AbortController();
  const late = systemClock.sleep(CHECK_MS, patience.signal).then(() => false, () => false);
  try {
    return await Promise.race([check(), late]);
  } finally {
    patience.abort(new Error('answered'));
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) throw new Error('the body is too large');
    chunks.push(chunk);
  }
  return size === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
