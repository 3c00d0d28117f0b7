import type { TLSSocket } from 'node:tls';

/** Peers of which a cloud has one, by name. */
const SINGLE_ROLES = ['console-proxy', 'broker', 'southbound', 'enrolment'] as const;
type SingleRole = (typeof SINGLE_ROLES)[number];

/** What a certificate of Virga's CA makes its holder. */
export type PeerRole = 'host' | SingleRole;

/** The other end of a connection, as its verified certificate names it. */
export type Peer = { role: 'host'; hostId: string } | { role: SingleRole };

/**
 * A host at OVN's southbound database, which knows hosts by the bare name of their chassis. Only an authority of its own gives such
 * names: elsewhere one might be taken for a role.
 */
export interface Chassis { role: 'chassis'; name: string }

const CHASSIS_NAME = /^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/;
const HOST_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The subject's common name in the certificate of a peer. */
export function commonNameOf(peer: Peer): string {
  return peer.role === 'host' ? `host:${peer.hostId}` : peer.role;
}

/** The same for whoever may have a certificate. Throws for a name that is none. */
export function subjectOf(holder: Peer | Chassis): string {
  if (holder.role !== 'chassis') return commonNameOf(holder);
  if (!CHASSIS_NAME.test(holder.name) || peerNamed(holder.name)) throw new Error('a certificate cannot carry such a name');
  return holder.name;
}

/** Undefined for a name that Virga's CA gives to nobody. */
export function peerNamed(commonName: unknown): Peer | undefined {
  if (typeof commonName !== 'string') return undefined; // a subject with several names has an array here
  const role = SINGLE_ROLES.find((known) => known === commonName);
  if (role) return { role };
  const hostId = commonName.startsWith('host:') ? commonName.slice('host:'.length) : '';
  return HOST_ID.test(hostId) ? { role: 'host', hostId } : undefined;
}

/** Who is at the other end. Undefined without a certificate that the CA has signed, whatever it says. */
export function peerOf(socket: TLSSocket): Peer | undefined {
  return socket.authorized ? peerNamed(socket.getPeerCertificate().subject?.CN) : undefined;
}
