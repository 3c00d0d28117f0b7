import { CloudError, unavailable, type ErrorKind, type RequestContext } from '@virga/core';

/** The HTTP APIs of the other services, for compute's older calls about what is theirs. */
export interface NeighbourApis { network: NeighbourApi; image: NeighbourApi }

const KINDS: Record<number, ErrorKind> = { 400: 'badRequest', 401: 'unauthorized', 403: 'forbidden', 404: 'notFound', 409: 'conflict', 413: 'tooLarge' };
interface Envelope { NeutronError?: { type?: string; message?: string }; error?: { message?: string }; message?: string }

/**
 * Asks another service in the caller's name: with the caller's own token, so that what may be seen or done is decided
 * where it belongs. By HTTP and not over the bus, because a token must not lie in a queue.
 */
export class NeighbourApi {
  constructor(private readonly url: string, private readonly timeoutMs = 20_000) {}

  /** The answer's JSON (undefined when it has none). Refusals are thrown as what they were, with neutron's error type; an answer that does not come is 503. */
  async ask<T>({ token, requestId }: RequestContext, method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<T> {
    const answer = await fetch(`${this.url}${path}`, {
      method, redirect: 'error', signal: AbortSignal.timeout(this.timeoutMs),
      headers: { accept: 'application/json', 'x-auth-token': token, 'x-openstack-request-id': requestId, ...(body !== undefined && { 'content-type': contentType }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }).catch((cause: unknown) => { throw unavailable('A service that is needed for this does not answer.', { cause }); });
    const text = await answer.text();
    if (answer.ok) return (text === '' ? undefined : JSON.parse(text)) as T;
    const kind = KINDS[answer.status] ?? (answer.status >= 400 && answer.status < 500 ? 'badRequest' : undefined);
    if (!kind) throw unavailable('A service that is needed for this does not answer as it should.', { cause: new Error(`${method} ${path}: ${answer.status}`) });
    const { type, message } = told(text);
    throw new CloudError(kind, message, type === undefined ? {} : { type });
  }
}

/** What an error's envelope says, whichever service wrote it. */
function told(text: string): { type?: string | undefined; message: string } {
  try {
    const { NeutronError, error, message } = JSON.parse(text) as Envelope;
    return { type: NeutronError?.type, message: (NeutronError?.message ?? error?.message ?? message ?? '').replaceAll('<br />', '').trim() };
  } catch {
    return { message: 'The request was refused.' };
  }
}

/** `?a=1&b=2` of what is given. */
export function queryText(values: Record<string, string | undefined>): string {
  const given = Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}

/** A segment of a path from an id that anyone may have chosen. */
export const segment = (id: string): string => encodeURIComponent(id);

const UUID = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;
export const isUuid = (id: unknown): id is string => typeof id === 'string' && UUID.test(id);
