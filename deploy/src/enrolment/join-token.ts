import { randomBytes, X509Certificate } from 'node:crypto';

/** What a machine shows to be let in, and by which it knows whom it shows it to. */
export interface JoinToken {
  id: string;
  secret: string;
  /** SHA-256 of the CA's certificate (DER) in base64url: who answers must be vouched for by this very one. */
  fingerprint: string;
}

const WRITTEN = /^virga1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/;

export const newToken = (fingerprint: string): JoinToken => ({ id: randomBytes(8).toString('hex'), secret: randomBytes(32).toString('base64url'), fingerprint });

export const writeToken = ({ id, secret, fingerprint }: JoinToken): string => `virga1.${id}.${secret}.${fingerprint}`;

/** Undefined for what is no token. */
export function readToken(text: string): JoinToken | undefined {
  const [, id, secret, fingerprint] = WRITTEN.exec(text.trim()) ?? [];
  return id && secret && fingerprint ? { id, secret, fingerprint } : undefined;
}

/** Of a certificate in PEM. */
export const fingerprintOf = (certificate: string | Buffer): string => Buffer.from(new X509Certificate(certificate).fingerprint256.replaceAll(':', ''), 'hex').toString('base64url');
