import { createPublicKey } from 'node:crypto';
import { openssl, opensslTalk } from './authority';

/** One request in PEM and nothing beside it. */
const REQUEST = /^-----BEGIN CERTIFICATE REQUEST-----\n([A-Za-z0-9+/]{1,64}={0,2}\n)+-----END CERTIFICATE REQUEST-----\n?$/;
const MOST_CHARACTERS = 4096;

/** A request (PEM) by the holder of a private key in a file; what it wishes to be called is for the authority to say. */
export const requestCertificate = (keyFile: string): Promise<string> => openssl(['req', '-new', '-key', keyFile, '-subj', '/CN=wishes to join'], '');

/**
 * The public key (PEM) of a certificate request, whose sender has proved to hold the private one. Nothing else is taken from it.
 * Throws for what is no request, for a signature that does not fit and for keys other than P-256.
 */
export async function publicKeyOfRequest(request: string): Promise<string> {
  if (request.length > MOST_CHARACTERS || !REQUEST.test(request)) throw new Error('it is no certificate request in PEM');
  const damaged = new Error('the certificate request is damaged, or not signed by its own key');
  const { output: publicKey, said } = await opensslTalk(['req', '-verify', '-noout', '-pubkey'], request).catch(() => { throw damaged; });
  if (!/^Certificate request self-signature verify OK$/m.test(said)) throw damaged;
  const key = createPublicKey(publicKey);
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('the key of a certificate request must be of the curve P-256');
  return publicKey;
}
