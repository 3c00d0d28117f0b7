import { createPrivateKey, X509Certificate } from 'node:crypto';
import { generateCertificate, importCertificate } from './x509';

it('makes a certificate for the user that its own key has signed', async () => {
  const { publicKey, privateKey, fingerprint } = await generateCertificate('5f0c8a');
  const certificate = new X509Certificate(publicKey);
  expect(certificate.subject).toBe('CN=5f0c8a');
  expect(certificate.checkPrivateKey(createPrivateKey(privateKey))).toBe(true);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(certificate.subjectAltName).toContain('5f0c8a@localhost');
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  expect(fingerprint).toBe(certificate.fingerprint.toLowerCase());
  expect(importCertificate(publicKey)).toEqual({ publicKey, fingerprint });
});

it.each(['', 'ssh-rsa AAAA', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'])('refuses %j', (text) => {
  expect(() => importCertificate(text)).toThrow('failed to generate X509 fingerprint');
});
