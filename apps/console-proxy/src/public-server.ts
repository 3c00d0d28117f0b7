import { createServer, type Server } from 'node:http';
import { listenTarget } from '@virga/service';

const SENTENCE = 'No console is served here: graphical and serial consoles are not built yet.\n';
const headers = { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(SENTENCE) };

/**
 * The listener that browsers reach. There are no consoles yet, so every path is 404, and a WebSocket handshake is
 * refused in the same way; a request's body is not read.
 */
export class PublicServer {
  private readonly server: Server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 16_384 }, (request, response) => {
    response.writeHead(404, { ...headers, connection: 'close' });
    response.end(request.method === 'HEAD' ? undefined : SENTENCE);
  }).on('upgrade', (_request, socket) => {
    // A peer that is gone by now has nothing to be told.
    socket.on('error', () => socket.destroy());
    socket.end(`HTTP/1.1 404 Not Found\r\nConnection: close\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${SENTENCE}`);
  });

  /** `host:port` or `unix:/path`; resolves with the port that was taken (0 for a socket). */
  async listen(listen: string): Promise<number> {
    await new Promise<void>((resolve, reject) => this.server.once('error', reject).listen(listenTarget(listen), resolve));
    const address = this.server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => { this.server.close(() => resolve()); });
    this.server.closeAllConnections();
    await closed;
  }
}
