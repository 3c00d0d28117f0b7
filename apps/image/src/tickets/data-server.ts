import { createServer, type Server } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { errorMessage, isUuid, type Logger } from '@virga/core';
import { listenTarget } from '@virga/service';
import type { ImageRepository } from '../images/image.repository';
import type { FileStore } from '../store/file-store';
import type { DownloadTickets } from './download-tickets';

/** The hosts' way to image data: GET /data/<image id> with `Authorization: Ticket ...`, and nothing else. */
export class DataServer {
  private readonly server: Server;

  constructor(private readonly images: ImageRepository, private readonly store: FileStore, private readonly tickets: DownloadTickets, private readonly logger: Logger) {
    this.server = createServer((request, response) => {
      this.serve(request.method ?? '', request.url ?? '', request.headers.authorization ?? '').then(
        async (answer) => {
          if (typeof answer === 'number') return void response.writeHead(answer).end();
          response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': String(answer.size) });
          await pipeline(this.store.read(answer.id), response);
        },
      ).catch((error: unknown) => {
        this.logger.warn({ reason: errorMessage(error) }, 'image data was not sent whole');
        response.destroy();
      });
    });
  }

  private async serve(method: string, url: string, authorization: string): Promise<number | { id: string; size: number }> {
    const id = /^\/data\/([^/?]+)$/.exec(url)?.[1];
    if (method !== 'GET' || id === undefined || !isUuid(id)) return 404;
    const claims = authorization.startsWith('Ticket ') ? this.tickets.verify(authorization.slice('Ticket '.length)) : undefined;
    if (claims?.imageId !== id) return 401;
    const image = await this.images.find(id);
    return image && (image.status === 'active' || image.status === 'deactivated') ? { id, size: image.size! } : 404;
  }

  listen(address: string): Promise<void> {
    return new Promise((resolve, reject) => this.server.once('error', reject).listen(listenTarget(address), resolve));
  }

  /** The port that was given when 0 was asked for. */
  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  async close(): Promise<void> {
    this.server.closeIdleConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}
