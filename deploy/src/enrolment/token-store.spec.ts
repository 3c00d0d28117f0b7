import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TokenStore } from './token-store';

let dir: string;
let time: number;
let store: TokenStore;
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'virga-tokens-')), 'tokens');
  time = 1_000_000;
  store = new TokenStore(dir, () => time);
});
afterEach(() => rmSync(join(dir, '..'), { recursive: true }));
const issue = () => store.issue('f'.repeat(43), 60_000);

it('keeps a token in a file for its owner only, without its secret', () => {
  const { id, secret } = issue();
  const file = join(dir, `${id}.json`);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  expect(readFileSync(file, 'utf8')).not.toContain(secret);
});

it('is taken once', () => {
  const { id, secret } = issue();
  expect(store.fault(id, secret)).toBeUndefined();
  expect(store.take(id, secret)).toBeUndefined();
  expect(store.take(id, secret)).toBe('used');
  // Also by another process, which has read nothing of it.
  expect(new TokenStore(dir, () => time).take(id, secret)).toBe('used');
});

it('is good again when it was taken for nothing', () => {
  const { id, secret } = issue();
  store.take(id, secret);
  store.giveBack(id);
  expect(store.take(id, secret)).toBeUndefined();
});

it('ends', () => {
  const { id, secret } = issue();
  time += 60_000;
  expect(store.take(id, secret)).toBe('expired');
});

it('is void after five wrong secrets, and not before', () => {
  const [tried, spared] = [issue(), issue()];
  for (let i = 0; i < 5; i++) expect(store.take(tried.id, spared.secret)).toBe('wrong');
  expect(store.take(tried.id, tried.secret)).toBe('unknown');
  for (let i = 0; i < 4; i++) expect(store.take(spared.id, 'wrong')).toBe('wrong');
  expect(store.take(spared.id, spared.secret)).toBeUndefined();
});

it.each(['', 'a'.repeat(16), '../../etc/passwd', '0123456789abcde/', '__proto__'])('knows no token %j', (id) => {
  issue();
  expect(store.take(id, 'x')).toBe('unknown');
});

it('forgets old tokens when it makes new ones', () => {
  const { id, secret } = issue();
  const other = issue();
  store.take(other.id, other.secret);
  time += 25 * 3_600_000;
  expect(readdirSync(dir)).toHaveLength(2);
  issue();
  expect(readdirSync(dir)).toHaveLength(1);
  expect(existsSync(join(dir, `${id}.json`))).toBe(false);
  expect(store.take(id, secret)).toBe('unknown');
});
