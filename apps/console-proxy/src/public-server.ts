import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { drain, listenTarget } from '@virga/service';
import { WebSocketServer } from 'ws';
import { originAllowed, PAGE_PROTOCOL, readHandshake, type Handshake } from './handshake';
import { relayConsole } from './relay/relay-console';
import type { OpenConnection } from './sessions/open-connections';
import type { Opened } from './sessions/open-console';

/** `version`: of what is asked for with `?v=` and may be kept by a browser. */
export interface Page { type: string; body: string; inlineStyles?: boolean; version?: string }

export interface PublicServerOptions {
  /** Path to content, all that is served; nothing is looked for in a file system. */
  pages: Record<string, Page>;
  allowedOrigins: ReadonlySet<string>;
  /** Besides the proxy's own origin, with blanks between them. */
  frameAncestors: string;
  maxPerAddress: number;
  idleMs: number;
  /** Within which a request must have come, and between two signs of life that a browser is asked for, ms. */
  patienceMs?: { request: number; ping: number };
  open(handshake: Handshake): Promise<Opened>;
  opened(connection: OpenConnection): void;
}

/** Largest message from a browser, bytes: room for a pasted text. */
const MAX_MESSAGE = 1 << 20;
/** SPICE has channels on which a browser sends nothing for hours, and others on which it answers by itself: its sessions end at their limit. */
const IDLING = { vnc: true, spice: false, serial: true } as const;
const PATIENCE_MS = { request: 10_000, ping: 20_000 };
const NOT_FOUND = 'There is no such page.\n';

/** How long a browser may take to hang up when the proxy ends, and a connection may be quiet before it is closed then, ms. */
const LEAVE_MS = 3000;
const QUIET_MS = 300;

/** xterm.js writes style elements, so its page allows them: a style can run nothing, and nothing may be loaded from elsewhere. */
const securityHeaders = (frameAncestors: string, inlineStyles: boolean) => ({
  'content-security-policy': `default-src 'none'; script-src 'self'; style-src 'self'${inlineStyles ? " 'unsafe-inline'" : ''}; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors ${`'self' ${frameAncestors}`.trimEnd()}`,
  'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff', 'cross-origin-resource-policy': 'same-origin', 'permissions-policy': 'camera=(), microphone=(), geolocation=()',
});

/** The listener that browsers reach: a fixed set of pages, and WebSockets that lead to consoles. */
export class PublicServer {
  private readonly server: Server;
  private readonly sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: MAX_MESSAGE, handleProtocols: (names) => [PAGE_PROTOCOL, 'binary'].find((name) => names.has(name)) ?? false });
  private readonly packed: ReadonlyMap<string, Buffer>;
  private readonly perAddress = new Map<string, number>();

  constructor(private readonly options: PublicServerOptions) {
    const { request: requestMs } = this.patience;
    this.packed = new Map(Object.entries(options.pages).map(([path, { body }]) => [path, gzipSync(body, { level: 9 })]));
    this.server = createServer({ requestTimeout: requestMs, headersTimeout: requestMs, connectionsCheckingInterval: requestMs / 5, maxHeaderSize: 16_384 }, (request, response) => this.page(request, response));
    this.server.on('connection', (socket) => this.admit(socket));
    this.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      // A peer that is gone by now has nothing to be told.
      socket.on('error', () => socket.destroy());
      void this.console(request, socket, head).catch(() => socket.destroy());
    });
  }

  private get patience(): { request: number; ping: number } {
    return this.options.patienceMs ?? PATIENCE_MS;
  }

  /** `host:port` or `unix:/path`; resolves with the port that was taken (0 for a socket). */
  async listen(listen: string): Promise<number> {
    await new Promise<void>((resolve, reject) => this.server.once('error', reject).listen(listenTarget(listen), resolve));
    const address = this.server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  /** Accepts nobody any more, has `end` end what is open, and hangs up on what is left after a moment. */
  async close(end: () => Promise<void> = async () => undefined): Promise<void> {
    const drained = drain(this.server, { limitMs: LEAVE_MS, quietMs: QUIET_MS });
    await end();
    await drained;
    this.server.closeAllConnections();
    for (const socket of this.sockets.clients) socket.terminate();
  }

  /** One address may not take all the room. */
  private admit(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const open = (this.perAddress.get(address) ?? 0) + 1;
    if (open > this.options.maxPerAddress) {
      socket.destroy();
      return;
    }
    this.perAddress.set(address, open);
    socket.setNoDelay(true).once('close', () => {
      const left = this.perAddress.get(address)! - 1;
      if (left > 0) this.perAddress.set(address, left);
      else this.perAddress.delete(address);
    });
  }

  private page(request: IncomingMessage, response: ServerResponse): void {
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    const page = Object.hasOwn(this.options.pages, path) ? this.options.pages[path] : undefined;
    const [status, type, body] = page === undefined ? [404, 'text/plain; charset=utf-8', NOT_FOUND]
      : request.method === 'GET' || request.method === 'HEAD' ? [200, page.type, page.body] : [405, 'text/plain; charset=utf-8', 'Pages are only read.\n'];
    const packed = status === 200 && /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(String(request.headers['accept-encoding'] ?? '')) ? this.packed.get(path) : undefined;
    const content = packed ?? Buffer.from(body);
    const kept = page?.version !== undefined && query === `v=${page.version}`;
    response.writeHead(status, {
      ...securityHeaders(this.options.frameAncestors, page?.inlineStyles === true), 'content-type': type, 'content-length': content.length, vary: 'accept-encoding',
      'cache-control': kept ? 'private, max-age=31536000, immutable' : 'no-store', ...(packed && { 'content-encoding': 'gzip' }), ...(status !== 200 && { connection: 'close' }),
    });
    response.end(request.method === 'HEAD' ? undefined : content);
  }

  private async console(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    if (!originAllowed(request, this.options.allowedOrigins)) return refuse(socket, '403 Forbidden');
    const handshake = readHandshake(request);
    const opened = await this.options.open(handshake);
    const refused = 'refused' in opened;
    // A client that does not know our close codes is told by HTTP, without a word more: it would take it for a frame.
    if (refused && !handshake.page) return refuse(socket, '403 Forbidden');
    if (socket.destroyed) {
      if (!refused) opened.host.destroy();
      return;
    }
    if (!refused) socket.once('close', () => opened.host.destroy());
    this.sockets.handleUpgrade(request, socket, head, (client) => {
      if (refused) return client.close(opened.refused, opened.reason);
      const { session, attemptId, hostId, host, reads } = opened;
      relayConsole(client, { host, reads }, { serial: session.protocol === 'serial', page: handshake.page, pingMs: this.patience.ping, idleMs: IDLING[session.protocol] ? this.options.idleMs : 0 });
      return this.options.opened({ session, attemptId, hostId, socket: client });
    });
  }
}

const refuse = (socket: Duplex, status: string): void => { socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`); };
