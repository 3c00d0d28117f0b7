import type { ConnectionOptions, PeerCertificate } from 'node:tls';
import type { TlsIdentity } from './identity';
import { commonNameOf } from './peer';

/**
 * Options of a TLS connection to the cloud's message broker: both ends show a certificate of Virga's CA, and the other must name the
 * broker. A host that answers at the broker's address is not taken for it.
 */
export const towardsBroker = (identity: TlsIdentity): ConnectionOptions => ({
  ...identity, minVersion: 'TLSv1.3', rejectUnauthorized: true,
  checkServerIdentity: (_name: string, certificate: PeerCertificate): Error | undefined =>
    (certificate.subject?.CN === commonNameOf({ role: 'broker' }) ? undefined : new Error(`the broker's certificate names ${String(certificate.subject?.CN)}`)),
});
