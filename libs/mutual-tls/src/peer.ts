import type { TLSSocket } from 'node:tls';

/** What a certificate of Virga's CA makes its holder. */
export type PeerRole = 'host' | 'console-proxy' | 'broker' | 'southbound';

/** The other end of a connection, as its verified certificate names it. */
export type Peer = { role: 'host'; hostId: string } | { role: Exclude<PeerRole, 'host'> };

const HOST_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The subject's common name in the certificate of a peer. */
export function commonNameOf(peer: Peer): string {
  return peer.role === 'host' ? `host:${peer.hostId}` : peer.role;
}

/** Undefined for a name that Virga's CA gives to nobody. */
export function peerNamed(commonName: unknown): Peer | undefined {
  if (typeof commonName !== 'string') return undefined; // a subject with several names has an array here
  if (commonName === 'console-proxy' || commonName === 'broker' || commonName === 'southbound') return { role: commonName };
  const hostId = commonName.startsWith('host:') ? commonName.slice('host:'.length) : '';
  return HOST_ID.test(hostId) ? { role: 'host', hostId } : undefined;
}

/** Who is at the other end. Undefined without a certificate that the CA has signed, whatever it says. */
export function peerOf(socket: TLSSocket): Peer | undefined {
  return socket.authorized ? peerNamed(socket.getPeerCertificate().subject?.CN) : undefined;
}
