import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { badRequest, CloudError, newRequestId } from '@virga/core';
import type { FaultStyle } from './faults';

/** What Node's parser says of a request that it does not take, as errors of ours; anything else is a bad request. */
const REFUSALS: Record<string, () => CloudError> = {
  HPE_INVALID_METHOD: () => new CloudError('notImplemented', 'The method is not implemented.'),
  HPE_HEADER_OVERFLOW: () => badRequest('The headers of the request are too large.', { status: 431 }),
  ERR_HTTP_REQUEST_TIMEOUT: () => badRequest('The request did not come to its end in time.', { status: 408 }),
};

/**
 * Answers what never became a request (an unknown verb, headers too large, broken framing) in the service's own envelope, and closes the
 * connection: where the next request would begin is not known.
 */
export function answerUnread(style: FaultStyle, error: { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal = (REFUSALS[error.code ?? ''] ?? (() => badRequest('The request cannot be read.', { type: 'HTTPBadRequest' })))();
  const { body, contentType } = style.render(refusal);
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  socket.end([
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`, `Content-Type: ${contentType}`, `Content-Length: ${Buffer.byteLength(text)}`,
    `X-Openstack-Request-Id: ${newRequestId()}`, 'Connection: close', '', text,
  ].join('\r\n'));
}
