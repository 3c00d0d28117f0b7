import * as net from 'node:net';
import * as tls from 'node:tls';
import { InvalidRequestError } from './errors';

/** Keys and trust for `ssl:` remotes, as PEM. */
export interface TlsOptions {
  readonly ca: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /**
   * Require the server's name or address in its certificate (default true). OVS's own PKI writes no names into
   * certificates; with such a private authority set this to false: the chain to `ca` is still required.
   */
  readonly verifyHostName?: boolean;
}

export type Remote =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp' | 'ssl'; readonly host: string; readonly port: number };

/** Reads `unix:PATH`, `tcp:HOST:PORT` or `ssl:HOST:PORT` (IPv6 in brackets); throws InvalidRequestError. */
export function parseRemote(text: string): Remote {
  if (text.startsWith('unix:') && text.length > 5) return { kind: 'unix', path: text.slice(5) };
  const match = /^(tcp|ssl):(?:\[([0-9a-fA-F:.%\w]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[4]);
  if (!match || port < 1 || port > 65535) throw new InvalidRequestError(`not an OVSDB remote: ${text}`);
  return { kind: match[1] as 'tcp' | 'ssl', host: (match[2] ?? match[3])!, port };
}

/** Begins to connect; the returned event tells when the socket is usable. */
export function dial(text: string, options?: TlsOptions): { socket: net.Socket; readyEvent: string } {
  const remote = parseRemote(text);
  if (remote.kind === 'unix') return { socket: net.connect({ path: remote.path }), readyEvent: 'connect' };
  if (remote.kind === 'tcp') {
    return { socket: net.connect({ host: remote.host, port: remote.port, noDelay: true }), readyEvent: 'connect' };
  }
  if (!options) throw new InvalidRequestError(`${text} needs TLS options with an authority to trust`);
  const socket = tls.connect({
    host: remote.host,
    port: remote.port,
    ca: options.ca,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(options.cert === undefined ? {} : { cert: options.cert }),
    ...(options.key === undefined ? {} : { key: options.key }),
    ...(options.verifyHostName === false ? { checkServerIdentity: () => undefined } : {}),
    ...(net.isIP(remote.host) ? {} : { servername: remote.host }),
  });
  socket.setNoDelay(true);
  return { socket, readyEvent: 'secureConnect' };
}
