import { createPublicKey, createPrivateKey } from 'node:crypto';
import { generateSshKey, importPublicKey } from './public-key';

it('generates a pair whose halves belong together', async () => {
  const { publicKey, privateKey, fingerprint } = await generateSshKey();
  const blob = Buffer.from(publicKey.split(' ')[1]!, 'base64');
  // type, exponent, modulus: each with its length before it.
  const fields: Buffer[] = [];
  for (let at = 0; at < blob.length;) { const length = blob.readUInt32BE(at); fields.push(blob.subarray(at + 4, at + 4 + length)); at += 4 + length; }
  const { n, e } = createPublicKey(createPrivateKey(privateKey)).export({ format: 'jwk' });
  expect(fields[0]!.toString()).toBe('ssh-rsa');
  expect(fields[1]).toEqual(Buffer.from(e!, 'base64url'));
  expect(fields[2]!.subarray(fields[2]![0] === 0 ? 1 : 0)).toEqual(Buffer.from(n!, 'base64url'));
  expect(importPublicKey(publicKey).fingerprint).toBe(fingerprint);
});

it('refuses a key whose inside says another type', () => {
  expect(() => importPublicKey('ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIGx8oO4c0YbJ5v0hT1z1O1m5oUu4oQnO0v1QmB5mZs1K')).toThrow('Keypair data is invalid');
});
