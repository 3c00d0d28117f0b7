import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { CloudError, errorMessage, isUuid, type Logger } from '@virga/core';
import { drain, listenTarget } from '@virga/service';
import type { ImageConfig } from '../config';
import type { ImageRepository } from '../images/image.repository';
import { uploadImage } from '../images/upload-image';
import type { FileStore } from '../store/file-store';
import type { DownloadTickets } from './download-tickets';
import type { UploadTickets } from './upload-tickets';

/** A host that sends nothing for so long has gone. */
const IDLE_MS = 60_000;

export interface DataServerParts {
  images: ImageRepository;
  store: FileStore;
  downloads: DownloadTickets;
  uploads: UploadTickets;
  config: ImageConfig;
  logger: Logger;
}

/** The hosts' way to image data: GET and PUT /data/<image id> with `Authorization: Ticket ...`, and nothing else. */
export class DataServer {
  private readonly server: Server;

  constructor(private readonly parts: DataServerParts) {
    this.server = createServer((request, response) => {
      this.serve(request, response).catch((error: unknown) => {
        parts.logger.warn({ reason: errorMessage(error) }, 'image data was not moved whole');
        // Closed, because what is left of a refused body would be read as the next request.
        if (!response.headersSent && error instanceof CloudError) response.writeHead(error.status, { connection: 'close' }).end(errorMessage(error));
        else response.destroy();
      });
    });
    // A large image takes longer than Node grants a request; idle connections end all the same.
    this.server.requestTimeout = 0;
    this.server.setTimeout(IDLE_MS);
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = /^\/data\/([^/?]+)$/.exec(request.url ?? '')?.[1];
    const verbs = { GET: this.send, PUT: this.receive };
    const verb = Object.hasOwn(verbs, request.method ?? '') ? verbs[request.method as keyof typeof verbs] : undefined;
    if (verb === undefined || id === undefined || !isUuid(id)) return void response.writeHead(404, { connection: 'close' }).end();
    const authorization = request.headers.authorization ?? '';
    await verb.call(this, id, authorization.startsWith('Ticket ') ? authorization.slice('Ticket '.length) : '', request, response);
  }

  private async send(id: string, ticket: string, _request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { downloads, images, store } = this.parts;
    if (downloads.verify(ticket)?.imageId !== id) return void response.writeHead(401).end();
    const image = await images.find(id);
    if (image?.status !== 'active' && image?.status !== 'deactivated') return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': String(image.size!) });
    await pipeline(store.read(image.id), response);
  }

  private async receive(id: string, ticket: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { uploads, images } = this.parts;
    const claims = uploads.take(ticket, id);
    if (claims === undefined) return void response.writeHead(401, { connection: 'close' }).end();
    const image = await images.find(id);
    if (image === undefined) return void response.writeHead(409, { connection: 'close' }).end();
    const length = request.headers['content-length'] === undefined ? undefined : Number(request.headers['content-length']);
    if (length !== undefined && length > claims.maxBytes) return void response.writeHead(413, { connection: 'close' }).end();
    const { size, sha512 } = await uploadImage({ ...this.parts, maxBytes: claims.maxBytes }, image, request, length === undefined ? {} : { length });
    this.parts.logger.info({ imageId: id, hostId: claims.hostId, size }, 'a host brought image data');
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ sizeBytes: size, sha512 }));
  }

  listen(address: string): Promise<void> {
    return new Promise((resolve, reject) => this.server.once('error', reject).listen(listenTarget(address), resolve));
  }

  /** The port that was given when 0 was asked for. */
  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  /** Lets transfers under way end, for as long as `limitMs`. */
  async close(limitMs = 0): Promise<void> {
    if (limitMs > 0) await drain(this.server, { limitMs });
    this.server.closeIdleConnections();
    if (!this.server.listening) return this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}
