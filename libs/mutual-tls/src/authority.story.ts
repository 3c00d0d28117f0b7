import { X509Certificate, createPrivateKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Authority } from './authority';

const dir = mkdtempSync(join(tmpdir(), 'virga-ca-'));
let authority: Authority;
beforeAll(async () => { authority = await Authority.open(join(dir, 'ca')); });
afterAll(() => rmSync(dir, { recursive: true }));

const wish = { peer: { role: 'host', hostId: 'h1' }, addresses: ['172.30.255.11'], names: ['host1'] } as const;
const asked = () => ({ ...wish, addresses: [...wish.addresses], names: [...wish.names] });
const mode = (file: string) => statSync(file).mode & 0o777;
const certificateOf = (holder: string) => new X509Certificate(readFileSync(join(dir, holder, 'cert.pem')));

it('is founded once, with a key that only its owner reads', async () => {
  const before = authority.certificate;
  expect((await Authority.open(join(dir, 'ca'))).certificate).toBe(before);
  expect(mode(join(dir, 'ca/ca.key'))).toBe(0o600);
  const ca = new X509Certificate(before);
  expect(ca.ca).toBe(true);
  expect(ca.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
  expect((await Authority.open(join(dir, 'other'))).certificate).not.toBe(before);
});

it('equips a holder with what was wished, and a repeat changes nothing', async () => {
  expect(await authority.equip(join(dir, 'h1'), asked())).toBe(true);
  expect(mode(join(dir, 'h1/key.pem'))).toBe(0o600);
  expect(mode(join(dir, 'h1'))).toBe(0o700);
  const certificate = certificateOf('h1');
  expect(certificate.subject).toBe('CN=host:h1');
  expect(certificate.subjectAltName).toBe('DNS:host1, IP Address:172.30.255.11');
  expect(certificate.ca).toBe(false);
  expect(certificate.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true);
  expect(certificate.checkPrivateKey(createPrivateKey(readFileSync(join(dir, 'h1/key.pem'))))).toBe(true);
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  expect(await authority.equip(join(dir, 'h1'), asked())).toBe(false);
});

it('lets a holder be one end only', async () => {
  await authority.equip(join(dir, 'caller'), { ...asked(), ends: ['client'] });
  expect(certificateOf('caller').keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
});

it('makes a certificate anew when the wish, the key or the authority is another', async () => {
  const holder = join(dir, 'h2');
  await authority.equip(holder, asked());
  const first = certificateOf('h2').serialNumber;
  expect(await authority.equip(holder, { ...asked(), addresses: ['172.30.255.12'] })).toBe(true);
  const second = certificateOf('h2').serialNumber;
  writeFileSync(join(holder, 'key.pem'), readFileSync(join(dir, 'h1/key.pem')));
  expect(await authority.equip(holder, { ...asked(), addresses: ['172.30.255.12'] })).toBe(true);
  const third = certificateOf('h2').serialNumber;
  const other = await Authority.open(join(dir, 'other'));
  expect(await other.equip(holder, { ...asked(), addresses: ['172.30.255.12'] })).toBe(true);
  expect(readFileSync(join(holder, 'ca.pem'), 'utf8')).toBe(other.certificate);
  expect(new Set([first, second, third, certificateOf('h2').serialNumber]).size).toBe(4);
});

it.each([['a\nsubjectAltName=DNS:evil'], ['a,DNS:evil'], ['']])('refuses a name that would say more than a name: %j', async (name) => {
  await expect(authority.equip(join(dir, 'bad'), { ...asked(), names: [name] })).rejects.toThrow('cannot carry');
});
