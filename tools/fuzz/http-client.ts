import { request as httpRequest } from 'node:http';

export interface SentRequest { method: string; path: string; headers: Record<string, string>; body?: Buffer }
export interface ReceivedAnswer { status: number; headers: Record<string, string | string[] | undefined>; text: string }

/** Sends exactly these bytes, with a Host header of choice; `fetch` would refuse half of it. Rejects when no answer comes. */
export function sendRaw(base: string, { method, path, headers, body }: SentRequest): Promise<ReceivedAnswer> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    // No agent: it hands on a socket that the server is about to close, and the next request dies with it.
    const sent = httpRequest({ host: hostname, port, method, path, headers: { ...headers, ...(body && { 'content-length': String(body.length) }), connection: 'close' }, timeout: 60_000, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers, text: Buffer.concat(chunks).toString('utf8') }));
      answer.on('error', reject);
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer within 60 s')));
    sent.on('error', reject);
    sent.end(body);
  });
}
