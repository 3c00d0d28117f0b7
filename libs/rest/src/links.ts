import type { FastifyRequest } from 'fastify';

const HOST = /^[A-Za-z0-9.\-_]+(:\d{1,5})?$|^\[[0-9a-fA-F:.]+\](:\d{1,5})?$/;
const first = (value: string | string[] | undefined): string | undefined => [value].flat()[0]?.split(',')[0]?.trim();

/**
 * Scheme and authority under which the client reached us, for links in answers: X-Forwarded-* when behind a proxy,
 * else the Host header; a malformed one is replaced by our own address, so that it cannot put text into links.
 */
export function baseUrl(request: FastifyRequest): string {
  let url = known.get(request);
  if (url === undefined) known.set(request, (url = readBaseUrl(request)));
  return url;
}
/** A long list asks for it with every entry. */
const known = new WeakMap<FastifyRequest, string>();

function readBaseUrl(request: FastifyRequest): string {
  const proto = first(request.headers['x-forwarded-proto']);
  const host = first(request.headers['x-forwarded-host']) ?? request.headers.host ?? '';
  const scheme = proto === 'https' || proto === 'http' ? proto : 'http';
  const { localAddress = '127.0.0.1', localPort = 80 } = request.socket;
  return `${scheme}://${HOST.test(host) ? host : `${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`}`;
}

/** The request's own URL with some query parameters replaced (undefined removes one). */
export function withQuery(request: FastifyRequest, changes: Record<string, string | undefined>): string {
  const url = new URL(request.url, baseUrl(request));
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) url.searchParams.delete(key);
    else url.searchParams.set(key, value);
  }
  return url.href;
}
