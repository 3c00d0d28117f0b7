import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { closeSync, fchmodSync, linkSync, mkdirSync, openSync, readFileSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Reads the 32-byte key of the file (base64), or makes the file when it is missing; a file that others may read is refused. */
export function readKeyFile(path: string): Buffer {
  const key = readExisting(path) ?? create(path);
  if (key.length !== 32) throw new Error(`${path} does not hold a 32-byte key in base64.`);
  return key;
}

function readExisting(path: string): Buffer | undefined {
  try {
    if ((statSync(path).mode & 0o077) !== 0) throw new Error(`${path} may be read by others; run: chmod 600 ${path}`);
    return Buffer.from(readFileSync(path, 'utf8').trim(), 'base64');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The complete file appears at once: of two processes that start together one makes it and both read the same. */
function create(path: string): Buffer {
  mkdirSync(dirname(path), { recursive: true });
  const partial = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const file = openSync(partial, 'wx', 0o600);
  fchmodSync(file, 0o600);
  writeSync(file, `${randomBytes(32).toString('base64')}\n`);
  closeSync(file);
  try {
    linkSync(partial, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(partial);
  }
  return readExisting(path)!;
}

/** AES-256-GCM: nonce, tag and ciphertext in base64; `label` is bound to it, so that rows cannot be swapped. */
export function seal(key: Buffer, label: string, plain: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(label));
  const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64');
}

/** Throws when the key, the label or a bit of the text is another. */
export function unseal(key: Buffer, label: string, sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 }).setAAD(Buffer.from(label));
  decipher.setAuthTag(bytes.subarray(12, 28));
  return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
}
