import { createHash, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { badRequest } from '@virga/core';

export interface ImportedKey { publicKey: string; fingerprint: string }

/** Key types of OpenSSH that guests understand. */
const TYPES = new Set([
  'ssh-rsa', 'ssh-ed25519', 'ssh-dss', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com', 'sk-ecdsa-sha2-nistp256@openssh.com',
]);

const fingerprintOf = (blob: Buffer): string => createHash('md5').update(blob).digest('hex').match(/../g)!.join(':');

/** Checks a line as it stands in `authorized_keys`; 400 for anything else. The fingerprint is the MD5 form that nova shows. */
export function importPublicKey(text: string): ImportedKey {
  const wrong = (why: string) => badRequest(`Keypair data is invalid: ${why}`);
  const line = text.trim();
  // eslint-disable-next-line no-control-regex
  if (/[\r\n\x00]/.test(line)) throw wrong('a public key is one line');
  const [type, encoded] = line.split(/\s+/);
  if (!type || !encoded || !TYPES.has(type)) throw wrong('failed to generate fingerprint');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) throw wrong('failed to generate fingerprint');
  const blob = Buffer.from(encoded, 'base64');
  // The blob names its own type (RFC 4253, section 6.6).
  if (blob.length < 4 || blob.readUInt32BE(0) !== type.length || blob.subarray(4, 4 + type.length).toString() !== type) throw wrong('failed to generate fingerprint');
  return { publicKey: text, fingerprint: fingerprintOf(blob) };
}

const field = (value: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(value.length);
  return Buffer.concat([length, value]);
};
/** A positive number in the wire's form: a leading zero where the first bit is set. */
const mpint = (value: Buffer): Buffer => field(value[0]! & 0x80 ? Buffer.concat([Buffer.from([0]), value]) : value);

/** A new RSA key of 2048 bits, as nova makes it when none was given. The private half is told once and not kept. */
export async function generateSshKey(): Promise<ImportedKey & { privateKey: string }> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  const { n, e } = publicKey.export({ format: 'jwk' });
  const blob = Buffer.concat([field(Buffer.from('ssh-rsa')), mpint(Buffer.from(e!, 'base64url')), mpint(Buffer.from(n!, 'base64url'))]);
  return {
    publicKey: `ssh-rsa ${blob.toString('base64')} Generated-by-Virga`,
    fingerprint: fingerprintOf(blob),
    privateKey: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
  };
}
