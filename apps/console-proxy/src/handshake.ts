import type { IncomingMessage } from 'node:http';

/** How our own pages say what they are. */
export const PAGE_PROTOCOL = 'virga.v1';

export interface Handshake {
  /** True for a page of ours, which understands close codes and may come back. */
  page: boolean;
  token: string | undefined;
  pageKey: string | undefined;
  attemptId: string | undefined;
}

const WORD = /^[A-Za-z0-9_-]{8,64}$/;
const word = (text: string | undefined | null): string | undefined => (text && WORD.test(text) ? text : undefined);

/** Offered subprotocols, at most a few, as they stand in the header. */
export const offered = (request: IncomingMessage): string[] => String(request.headers['sec-websocket-protocol'] ?? '').split(',', 8).map((name) => name.trim());

/**
 * Secrets of our pages come as subprotocols: those are in no address, so in no log and no Referer. Other clients of
 * OpenStack's consoles put the token into the query.
 */
export function readHandshake(request: IncomingMessage): Handshake {
  const names = offered(request);
  const after = (prefix: string) => word(names.find((name) => name.startsWith(prefix))?.slice(prefix.length));
  const page = names.includes(PAGE_PROTOCOL);
  if (page) return { page, token: after('virga.token.'), pageKey: after('virga.page.'), attemptId: after('virga.attempt.') };
  const query = new URLSearchParams((request.url ?? '').split('?', 2)[1] ?? '');
  return { page, token: word(query.get('token')), pageKey: undefined, attemptId: undefined };
}

/** A page of another site must not open consoles in its visitors' names. Programs send no Origin, and have no visitors. */
export function originAllowed(request: IncomingMessage, allowed: ReadonlySet<string>): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined || allowed.has(origin)) return true;
  try {
    const { protocol, host: from } = new URL(origin);
    return (protocol === 'https:' || protocol === 'http:') && host !== undefined && from === host.toLowerCase();
  } catch {
    return false;
  }
}
