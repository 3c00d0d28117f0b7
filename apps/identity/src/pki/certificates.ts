import { generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import forge from 'node-forge';

const { pki } = forge;
const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
/** A signing certificate outlives its use by far; `rotate-keys` makes a new one. */
const SIGNING_DAYS = 3650;

export interface MadeCertificate { serial: string; certificatePem: string; privateKeyPem: string }
export interface Issuer { certificatePem: string; privateKeyPem: string }

/** 16 random bytes in hexadecimal, positive and without a leading zero, so that it reads the same everywhere. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex');
}

const AUTHORITY = [{ name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true }, { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true }];
const SIGNER = [{ name: 'basicConstraints', cA: false, critical: true }, { name: 'keyUsage', digitalSignature: true, critical: true }, { name: 'extKeyUsage', emailProtection: true }];

/** An RSA key and its certificate: the authority's own without an issuer, else one that signs tokens. */
export async function makeCertificate(name: string, issuer?: Issuer): Promise<MadeCertificate> {
  const pair = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const certificate = pki.createCertificate();
  certificate.publicKey = pki.publicKeyFromPem(pair.publicKey);
  certificate.serialNumber = newSerial();
  // Clocks of those that verify may be behind.
  certificate.validity.notBefore = new Date(Date.now() - DAY_MS);
  certificate.validity.notAfter = new Date(Date.now() + (issuer ? SIGNING_DAYS : CA_DAYS) * DAY_MS);
  const subject = [{ name: 'commonName', value: name }];
  certificate.setSubject(subject);
  certificate.setIssuer(issuer ? pki.certificateFromPem(issuer.certificatePem).subject.attributes : subject);
  certificate.setExtensions(issuer ? SIGNER : AUTHORITY);
  certificate.sign(pki.privateKeyFromPem(issuer?.privateKeyPem ?? pair.privateKey), forge.md.sha256.create());
  return { serial: certificate.serialNumber, certificatePem: pki.certificateToPem(certificate).replaceAll('\r\n', '\n'), privateKeyPem: pair.privateKey };
}
