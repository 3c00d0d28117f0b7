import { sign, type KeyObject } from 'node:crypto';
import forge from 'node-forge';

export interface CmsSigner { certificate: forge.pki.Certificate; key: KeyObject }

/**
 * CMS SignedData (RFC 5652) in DER with the content inside, SHA-256 and RSA, without certificates and without attributes: the classic
 * form, `openssl cms -verify -certfile SIGNING -CAfile CA -nocerts -noattr`. The signature itself is made by node:crypto, 50 times as fast.
 */
export function signCms(content: Buffer, { certificate, key }: CmsSigner): Buffer {
  const message = forge.pkcs7.createSignedData();
  message.content = forge.util.createBuffer(content.toString('binary'));
  const signer = { sign: () => sign('sha256', content, key).toString('binary') };
  message.addSigner({ key: signer as unknown as forge.pki.rsa.PrivateKey, certificate, digestAlgorithm: forge.pki.oids.sha256!, authenticatedAttributes: [] });
  message.sign();
  return Buffer.from(forge.asn1.toDer(message.toAsn1()).getBytes(), 'binary');
}

/** The same as text for programs that read PEM. */
export const cmsPem = (der: Buffer): string => `-----BEGIN CMS-----\n${der.toString('base64').replace(/.{64}(?=.)/g, '$&\n')}\n-----END CMS-----\n`;
