import { createServer, type IncomingMessage, type Server } from 'node:http';
import { chmod, rm } from 'node:fs/promises';
import type { Logger } from '@virga/core';
import { listing } from './document-tree';

export interface MetadataSource {
  /** The instance on this host that has the address on the network, if any. */
  instanceAt(networkId: string, address: string): Promise<string | undefined>;
  /** Its documents, path to content. */
  documents(instanceId: string): Promise<Record<string, Buffer>>;
}

/** The metadata service of this host's guests; reached only through the proxies of `MetadataNetworks`. */
export class MetadataServer {
  private readonly server: Server;

  constructor(private readonly source: MetadataSource, private readonly logger: Logger) {
    this.server = createServer((request, response) => {
      this.answer(request).then(
        ({ status, body, type }) => response.writeHead(status, { 'content-type': type }).end(body),
        (error: unknown) => { this.logger.error({ err: error }, 'metadata request failed'); response.writeHead(500).end(); },
      );
    });
    this.server.requestTimeout = 30_000;
  }

  async listen(socket: string): Promise<void> {
    await rm(socket, { force: true });
    await new Promise<void>((resolve, reject) => this.server.once('error', reject).listen(socket, resolve));
    await chmod(socket, 0o600);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private async answer(request: IncomingMessage): Promise<{ status: number; body: string | Buffer; type: string }> {
    const text = (status: number, body: string) => ({ status, body, type: 'text/plain; charset=utf-8' });
    if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'Only GET is served.\n');
    const networkId = single(request.headers['x-virga-network-id']);
    const address = single(request.headers['x-forwarded-for']);
    const instanceId = networkId && address ? await this.source.instanceAt(networkId, address) : undefined;
    if (!instanceId) return text(404, 'No instance has this address here.\n');
    const documents = await this.source.documents(instanceId);
    const path = decodeURI(new URL(request.url ?? '/', 'http://metadata').pathname).replace(/\/{2,}/g, '/').replace(/^\/|\/$/g, '');
    const document = documents[path];
    if (document) return { status: 200, body: document, type: path.endsWith('.json') ? 'application/json' : 'text/plain; charset=utf-8' };
    const names = listing(Object.keys(documents), path);
    return names.length > 0 ? text(200, names.join('\n')) : text(404, 'Not found.\n');
  }
}

const single = (value: string | string[] | undefined): string | undefined => (typeof value === 'string' ? value : undefined);
