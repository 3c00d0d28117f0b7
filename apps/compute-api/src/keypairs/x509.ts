import { createHash, generateKeyPair, randomBytes, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import forge from 'node-forge';
import { badRequest } from '@virga/core';
import type { ImportedKey } from './public-key';

const { asn1, pki } = forge;
const TEN_YEARS_MS = 3650 * 86_400_000;
/** Object identifier of the name under which Windows knows a user of a certificate. */
const USER_PRINCIPAL_NAME = '1.3.6.1.4.1.311.20.2.3';
const { Class, Type } = asn1;

const fingerprintOf = (der: Buffer): string => createHash('sha1').update(der).digest('hex').match(/../g)!.join(':');

/** Checks a certificate in PEM; 400 for anything else. The fingerprint is the SHA-1 form that nova shows. */
export function importCertificate(pem: string): ImportedKey {
  try {
    return { publicKey: pem, fingerprint: fingerprintOf(new X509Certificate(pem).raw) };
  } catch {
    throw badRequest('Keypair data is invalid: failed to generate X509 fingerprint. ');
  }
}

/** `otherName` of the extension subjectAltName (RFC 5280, 4.2.1.6): an identifier and a text. */
const principalName = (name: string) => asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, [
  asn1.create(Class.CONTEXT_SPECIFIC, 0, true, [
    asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(USER_PRINCIPAL_NAME).getBytes()),
    asn1.create(Class.CONTEXT_SPECIFIC, 0, true, [asn1.create(Class.UNIVERSAL, Type.UTF8, false, forge.util.encodeUtf8(name))]),
  ]),
]);

/**
 * A new RSA key of 2048 bits with a certificate that it signed itself, as Windows guests take for remote management: for clients,
 * in the user's name. The private half is told once and not kept.
 */
export async function generateCertificate(userId: string): Promise<ImportedKey & { privateKey: string }> {
  const pair = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  const privateKey = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const certificate = pki.createCertificate();
  certificate.publicKey = pki.publicKeyFromPem(pair.publicKey.export({ type: 'spki', format: 'pem' }).toString());
  // Positive, whatever the random bits are.
  certificate.serialNumber = `00${randomBytes(16).toString('hex')}`;
  certificate.validity.notBefore = new Date();
  certificate.validity.notAfter = new Date(Date.now() + TEN_YEARS_MS);
  const name = [{ name: 'commonName', value: userId }];
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.setExtensions([{ name: 'extKeyUsage', clientAuth: true }, { id: '2.5.29.17', value: asn1.toDer(principalName(`${userId}@localhost`)).getBytes() }]);
  certificate.sign(pki.privateKeyFromPem(privateKey), forge.md.sha256.create());
  const publicKey = pki.certificateToPem(certificate).replaceAll('\r\n', '\n');
  return { ...importCertificate(publicKey), privateKey };
}
