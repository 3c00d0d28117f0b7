import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { readKeyFile, seal, unseal } from './sealed';

describe('the key file', () => {
  let dir: string;
  beforeEach(() => { dir = mkdtempSync(join(tmpdir(), 'virga-key-')); });
  afterEach(() => rmSync(dir, { recursive: true }));

  test('is made when missing, readable by its owner only, and stays', () => {
    const path = join(dir, 'deep', 'key');
    const key = readKeyFile(path);
    expect(key).toHaveLength(32);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readKeyFile(path).equals(key)).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe(`${key.toString('base64')}\n`);
  });

  test('is refused when others may read it or it is no key', () => {
    const path = join(dir, 'key');
    readKeyFile(path);
    chmodSync(path, 0o640);
    expect(() => readKeyFile(path)).toThrow(/chmod 600/);
    chmodSync(path, 0o600);
    writeFileSync(path, 'c2hvcnQ=');
    expect(() => readKeyFile(path)).toThrow(/32-byte key/);
  });
});

test('a sealed text opens with its key and label only, and not when a bit of it is another', () => {
  const key = randomBytes(32);
  const sealed = seal(key, 'kid-1', 'private');
  expect(sealed).not.toContain('private');
  expect(unseal(key, 'kid-1', sealed)).toBe('private');
  expect(() => unseal(key, 'kid-2', sealed)).toThrow();
  expect(() => unseal(randomBytes(32), 'kid-1', sealed)).toThrow();
  const bytes = Buffer.from(sealed, 'base64');
  bytes[bytes.length - 1]! ^= 1;
  expect(() => unseal(key, 'kid-1', bytes.toString('base64'))).toThrow();
});
