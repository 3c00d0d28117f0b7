import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked { method: string; path: string; query: URLSearchParams; body: any; token: string; contentType: string | undefined }
export interface Told { status: number; body?: unknown }

async function read(request: IncomingMessage): Promise<any> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

/** Another service's HTTP API, answered by a table of the story: `METHOD /path` to what is told. */
export async function startNeighbourApi() {
  const routes = new Map<string, (asked: Asked) => Told>();
  const asked: Asked[] = [];
  const missing = ({ path }: Asked): Told => ({ status: 404, body: { NeutronError: { type: 'NotFound', message: `${path} could not be found.`, detail: '' } } });
  let otherwise = missing;
  const server = createServer((request, response) => {
    void read(request).then((body) => {
      const url = new URL(request.url!, 'http://neighbour');
      const one: Asked = { method: request.method!, path: url.pathname, query: url.searchParams, body, token: String(request.headers['x-auth-token']), contentType: request.headers['content-type'] };
      asked.push(one);
      const { status, body: told } = routes.get(`${one.method} ${one.path}`)?.(one) ?? otherwise(one);
      response.writeHead(status, { 'content-type': 'application/json' }).end(told === undefined ? undefined : JSON.stringify(told));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked,
    on: (route: string, answer: (asked: Asked) => Told) => { routes.set(route, answer); },
    /** What is told where the table has no route; 404 unless something else is said. */
    otherwise: (answer: (asked: Asked) => Told) => { otherwise = answer; },
    close: () => new Promise<void>((resolve) => { server.close(() => resolve()); server.closeAllConnections(); }),
  };
}
