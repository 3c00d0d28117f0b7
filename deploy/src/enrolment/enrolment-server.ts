import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { Value } from '@sinclair/typebox/value';
import { badRequest, CloudError, errorMessage, type Logger } from '@virga/core';
import type { TlsIdentity } from '@virga/mutual-tls';
import { isOutsidersFault, type Admission } from './admission';
import type { Attempts } from './attempts';
import { EnrolmentRequest } from './messages';

export const ENROLMENT_PATH = '/v1/hosts';
const MOST_BYTES = 16_384;
const REQUEST_TIMEOUT_MS = 15_000;
const MOST_CONNECTIONS = 64;

/**
 * What machines that know nothing but a token reach: HTTPS with the certificate of the role `enrolment` and the CA's behind it, so that the
 * token's fingerprint can be compared. It knows one path. Not listening yet.
 */
export function enrolmentServer(identity: TlsIdentity, admission: Pick<Admission, 'admit'>, attempts: Attempts, logger: Logger): Server {
  const server = createServer({
    key: identity.key, cert: Buffer.concat([identity.cert, identity.ca]), minVersion: 'TLSv1.3', maxHeaderSize: 8192,
    requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS, handshakeTimeout: REQUEST_TIMEOUT_MS, keepAliveTimeout: 1000, connectionsCheckingInterval: 1000,
  }, (request, response) => { void answer(request, response, admission, attempts, logger); });
  server.maxConnections = MOST_CONNECTIONS;
  server.on('tlsClientError', (error, socket) => { logger.debug({ reason: error.message }, 'no TLS'); socket.destroy(); });
  return server;
}

async function answer(request: IncomingMessage, response: ServerResponse, admission: Pick<Admission, 'admit'>, attempts: Attempts, logger: Logger): Promise<void> {
  const from = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  const tell = (status: number, body: object, headers: Record<string, string> = {}): void => {
    // What was not read of the request is not waited for.
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', connection: 'close', ...headers }).end(JSON.stringify(body));
  };
  const pause = attempts.pause(from);
  if (pause !== undefined) return tell(429, { error: `Too many refused requests; come again in ${pause} s.` }, { 'retry-after': String(pause) });
  try {
    if (request.url !== ENROLMENT_PATH) return tell(404, { error: 'There is nothing here.' });
    if (request.method !== 'POST') return tell(405, { error: 'Only POST is known here.' }, { allow: 'POST' });
    const body = await readBody(request);
    if (!Value.Check(EnrolmentRequest, body)) {
      const first = Value.Errors(EnrolmentRequest, body).First();
      throw badRequest(`The request is not as it must be: ${first?.path.slice(1) || 'body'}: ${first?.message ?? 'wrong'}.`);
    }
    tell(200, await admission.admit(body, from));
  } catch (error) {
    if (isOutsidersFault(error)) attempts.failed(from);
    if (error instanceof CloudError) return tell(error.status, { error: error.message });
    logger.error({ reason: errorMessage(error) }, 'a request failed');
    tell(500, { error: 'It could not be done; see the log of enrolment at the controller.' });
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if ((bytes += piece.length) > MOST_BYTES) throw new CloudError('tooLarge', `A request has at most ${MOST_BYTES} bytes.`);
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8'));
  } catch {
    throw badRequest('The request is no JSON.');
  }
}
