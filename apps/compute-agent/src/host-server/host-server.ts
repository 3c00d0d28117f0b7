import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { CloudError, errorMessage, forbidden, notFound, badRequest, type Logger } from '@virga/core';
import { peerOf, type Peer, type PeerRole, type TlsIdentity } from '@virga/mutual-tls';

export interface HostCall {
  request: IncomingMessage;
  /** Who calls, by the certificate. */
  peer: Peer;
  /** Parts of the path that the pattern names, decoded. */
  params: Record<string, string>;
  query: URLSearchParams;
}

/** Answers a request; may stream both ways. What it throws becomes the answer, if none has begun. */
export type RouteHandler = (call: HostCall & { response: ServerResponse }) => Promise<void>;

/**
 * Takes a connection over. It is called before anything is answered: `accept()` answers 101 and gives the raw connection;
 * an error thrown before that is answered as a route's would be.
 */
export type UpgradeHandler = (call: HostCall & { accept(): Duplex }) => Promise<void>;

interface Entry<T> { method: string; pattern: RegExp; names: string[]; roles: readonly PeerRole[]; handler: T }

/** What may be held open by peers, all together. */
const MAX_CONNECTIONS = 512;
const HEADERS_TIMEOUT_MS = 10_000;
const CERTIFICATE_CHECK_MS = 60_000;

/**
 * The one listener of a host for other hosts and the console proxy: HTTPS where both ends prove themselves by
 * certificates of Virga's CA. Features register what they serve, and to whom.
 */
export class HostServer {
  private readonly server: Server;
  private readonly routes: Entry<RouteHandler>[] = [];
  private readonly upgrades: Entry<UpgradeHandler>[] = [];
  /** Connections that have left HTTP: the server itself forgets them. */
  private readonly taken = new Set<Duplex>();
  private renewal: NodeJS.Timeout | undefined;
  private cert: Buffer;

  /** `identity` is read again every minute: a renewed certificate counts without a restart. */
  constructor(private readonly identity: () => TlsIdentity, private readonly logger: Logger) {
    const files = identity();
    this.cert = files.cert;
    this.server = createServer({
      ...files, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3', secureOptions: constants.SSL_OP_NO_TICKET, ALPNProtocols: ['http/1.1'],
      // Disks take as long as they take; their handlers watch over progress.
      requestTimeout: 0, headersTimeout: HEADERS_TIMEOUT_MS, handshakeTimeout: HEADERS_TIMEOUT_MS, maxHeaderSize: 16_384,
    }, (request, response) => void this.serve(request, response));
    this.server.maxConnections = MAX_CONNECTIONS;
    this.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => void this.switch(request, socket, head));
    this.server.on('tlsClientError', (error: Error, socket: TLSSocket) => this.logger.warn({ peer: socket.remoteAddress, reason: error.message }, 'a peer without a valid certificate was refused'));
  }

  /** `pattern` like `/v1/disks/:instanceId`; a named part matches anything but a slash. */
  route(method: string, pattern: string, roles: readonly PeerRole[], handler: RouteHandler): void {
    this.routes.push({ method, roles, handler, ...compile(pattern) });
  }

  /** For GET requests with `Upgrade: <protocol>`. */
  upgrade(protocol: string, pattern: string, roles: readonly PeerRole[], handler: UpgradeHandler): void {
    this.upgrades.push({ method: protocol.toLowerCase(), roles, handler, ...compile(pattern) });
  }

  /** Resolves with the port that was taken. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => this.server.once('error', reject).listen(port, host, resolve));
    this.renewal = setInterval(() => this.renew(), CERTIFICATE_CHECK_MS).unref();
    return (this.server.address() as { port: number }).port;
  }

  /** Ends every connection, also those that were taken over. */
  async close(): Promise<void> {
    clearInterval(this.renewal);
    const closed = new Promise<void>((resolve) => { this.server.close(() => resolve()); });
    this.server.closeAllConnections();
    for (const socket of this.taken) socket.destroy();
    await closed;
  }

  private renew(): void {
    try {
      const files = this.identity();
      if (files.cert.equals(this.cert)) return;
      this.server.setSecureContext(files);
      this.cert = files.cert;
      this.logger.info('the host server shows a renewed certificate');
    } catch (error) {
      this.logger.warn({ reason: errorMessage(error) }, 'the certificate could not be read again');
    }
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { entry, call } = this.find(this.routes, request.method ?? '', request);
      await entry.handler({ ...call, response });
    } catch (error) {
      const { status, body } = this.refusal(error, request);
      if (response.headersSent) response.destroy();
      // The rest of a body that nobody reads would keep the connection busy.
      else response.writeHead(status, { 'content-type': 'application/json', connection: 'close' }).end(body);
    }
  }

  private async switch(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    let accepted = false;
    // A peer that is gone by now has nothing to be told.
    socket.on('error', () => socket.destroy());
    this.taken.add(socket);
    socket.once('close', () => this.taken.delete(socket));
    try {
      const protocol = String(request.headers.upgrade ?? '').toLowerCase();
      const { entry, call } = this.find(this.upgrades, protocol, request);
      await entry.handler({
        ...call, accept: () => {
          accepted = true;
          (socket as Socket).setTimeout(0);
          socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
          if (head.length > 0) socket.unshift(head);
          return socket;
        },
      });
    } catch (error) {
      const { status, body } = this.refusal(error, request);
      if (accepted) socket.destroy();
      else socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    }
  }

  /** The entry for a request, once its sender has shown to be one of those that it is for. Throws CloudError. */
  private find<T>(entries: readonly Entry<T>[], method: string, request: IncomingMessage): { entry: Entry<T>; call: HostCall } {
    const peer = peerOf(request.socket as TLSSocket);
    if (!peer) throw forbidden('The certificate names nobody who may call a host.');
    const url = new URL(request.url ?? '/', 'https://host');
    for (const entry of entries) {
      const match = entry.method === method ? entry.pattern.exec(url.pathname) : null;
      if (!match) continue;
      if (!entry.roles.includes(peer.role)) throw forbidden(`This is not for a ${peer.role}.`);
      return { entry, call: { request, peer, params: Object.fromEntries(entry.names.map((name, at) => [name, decode(match[at + 1]!)])), query: url.searchParams } };
    }
    throw notFound('Nothing is served here.');
  }

  private refusal(error: unknown, request: IncomingMessage): { status: number; body: string } {
    // A handler that reads no further has ended the connection.
    const peer = (request.socket as Socket | null)?.remoteAddress;
    const known = error instanceof CloudError && error.kind !== 'internal';
    if (known) this.logger.info({ peer, path: request.url, reason: error.message }, 'a peer was refused');
    else this.logger.error({ err: error, peer, path: request.url }, 'a call of a peer failed');
    return known ? { status: error.status, body: JSON.stringify({ error: error.message }) } : { status: 500, body: '{"error":"internal error"}' };
  }
}

function compile(pattern: string): { pattern: RegExp; names: string[] } {
  const names: string[] = [];
  const source = pattern.replace(/[.+*?^$()[\]{}|\\]/g, '\\$&').replace(/:([A-Za-z]+)/g, (_whole, name: string) => { names.push(name); return '([^/]+)'; });
  return { pattern: new RegExp(`^${source}$`), names };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badRequest('The path is not well-formed.');
  }
}
