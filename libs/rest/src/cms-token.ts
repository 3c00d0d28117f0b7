import { verify, type KeyObject } from 'node:crypto';
import type { TokenClaims } from '@virga/contracts';

/** What every token of the classic format begins with: the DER of a sequence with two bytes of length, in base64. */
const BEGIN = 'MII';
export const isCmsToken = (token: string): boolean => token.startsWith(BEGIN);

/** Base64 in which `/` is written as `-`, because tokens stand in URLs. */
export const cmsToToken = (der: Buffer): string => der.toString('base64').replaceAll('/', '-');
const tokenToCms = (token: string): Buffer => Buffer.from(token.replaceAll('-', '/'), 'base64');

const SIGNED_DATA = '06092a864886f70d010702';
const DATA = '06092a864886f70d010701';
const SHA256 = '0609608648016503040201';
const [SEQUENCE, SET, OCTETS, INTEGER, CONTEXT_0] = [0x30, 0x31, 0x04, 0x02, 0xa0];

interface Value { tag: number; body: Buffer; whole: Buffer }

/** The DER values that stand one after the other in `bytes`; throws for anything that is no DER of a bounded length. */
function values(bytes: Buffer): Value[] {
  const found: Value[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes.readUInt8(at);
    let length = bytes.readUInt8(at + 1);
    let start = at + 2;
    if (length >= 0x80) {
      const size = length & 0x7f;
      if (size === 0 || size > 3) throw new Error('a length that is none');
      length = bytes.readUIntBE(start, size);
      start += size;
    }
    if (start + length > bytes.length) throw new Error('a value that ends too early');
    found.push({ tag, body: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) });
    at = start + length;
  }
  return found;
}

/** The single value in `bytes`, of that tag. */
function only(bytes: Buffer, tag: number): Buffer {
  const [value, ...more] = values(bytes);
  if (!value || value.tag !== tag || more.length > 0) throw new Error('another value than expected');
  return value.body;
}
function expectOid(value: Value | undefined, hex: string): void {
  if (value?.whole.toString('hex') !== hex) throw new Error('another kind of message than expected');
}

export interface CmsParts { content: Buffer; serial: string; signature: Buffer }

/**
 * The parts of a SignedData in exactly the form in which identity writes it (apps/identity/src/pki): content inside, one signer named by serial
 * number, SHA-256 with RSA, no certificates, no attributes. Undefined for every other.
 */
export function readCms(der: Buffer): CmsParts | undefined {
  try {
    const [kind, wrapped] = values(only(der, SEQUENCE));
    expectOid(kind, SIGNED_DATA);
    const [, , inner, ...rest] = values(only(only(wrapped!.whole, CONTEXT_0), SEQUENCE));
    const [type, boxed] = values(inner!.body);
    expectOid(type, DATA);
    const content = only(only(boxed!.whole, CONTEXT_0), OCTETS);
    const signers = rest.filter(({ tag }) => tag === SET);
    if (rest.length !== 1 || signers.length !== 1) return undefined;
    const [, signerName, digest, algorithm, signature, ...more] = values(only(signers[0]!.body, SEQUENCE));
    const serial = values(signerName!.body)[1];
    expectOid(values(digest!.body)[0], SHA256);
    if (more.length > 0 || algorithm!.tag !== SEQUENCE || signature!.tag !== OCTETS || serial?.tag !== INTEGER) return undefined;
    return { content, serial: serial.body.toString('hex'), signature: signature!.body };
  } catch {
    return undefined;
  }
}

/** Parts of a token; undefined when it is not one of this format. */
export const readCmsToken = (token: string): CmsParts | undefined => readCms(tokenToCms(token));

export const isSignedBy = ({ content, signature }: CmsParts, key: KeyObject): boolean => key.asymmetricKeyType === 'rsa' && verify('sha256', content, key, signature);

/** The claims inside; of a token that has been verified, for this is no check of any kind. */
export const claimsOfCms = ({ content }: CmsParts): TokenClaims => (JSON.parse(content.toString('utf8')) as { claims: TokenClaims }).claims;
