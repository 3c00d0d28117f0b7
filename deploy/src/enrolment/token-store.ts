import { createHash, timingSafeEqual } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../replace-file';
import { newToken, type JoinToken } from './join-token';

interface Kept { digest: string; expiresAt: number; wrong: number }
export type TokenFault = 'unknown' | 'wrong' | 'expired' | 'used';

/** After so many wrong secrets a token is void. */
const MOST_WRONG = 5;
/** For so long it is known what became of a token, ms. */
const REMEMBERED_MS = 24 * 3_600_000;

const digestOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/**
 * Join tokens in a directory that only root reads, a file each, without their secrets. A token is good for one machine: the file
 * is renamed by whoever takes it, which succeeds once.
 */
export class TokenStore {
  constructor(private readonly directory: string, private readonly now: () => number = Date.now) {}

  /** A new token that is good for `lifeMs`. It is not shown again. */
  issue(fingerprint: string, lifeMs: number): JoinToken {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    this.forgetOld();
    const token = newToken(fingerprint);
    this.write(token.id, { digest: digestOf(token.secret), expiresAt: this.now() + lifeMs, wrong: 0 });
    return token;
  }

  /** What speaks against a token; undefined for a good one, which stays good. */
  fault(id: string, secret: string): TokenFault | undefined {
    if (!/^[0-9a-f]{16}$/.test(id)) return 'unknown';
    if (existsSync(this.file(id, 'used'))) return 'used';
    const kept = this.read(id);
    if (!kept) return 'unknown';
    if (!timingSafeEqual(Buffer.from(kept.digest, 'hex'), Buffer.from(digestOf(secret), 'hex'))) {
      if (kept.wrong + 1 >= MOST_WRONG) rmSync(this.file(id, 'json'), { force: true });
      else this.write(id, { ...kept, wrong: kept.wrong + 1 });
      return 'wrong';
    }
    return kept.expiresAt <= this.now() ? 'expired' : undefined;
  }

  /** Uses a token up; what speaks against it, if anything does. */
  take(id: string, secret: string): TokenFault | undefined {
    const fault = this.fault(id, secret);
    if (fault) return fault;
    try {
      renameSync(this.file(id, 'json'), this.file(id, 'used'));
      return undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'used';
      throw error;
    }
  }

  /** Makes a taken token good again: what it was taken for has not come about. */
  giveBack(id: string): void {
    renameSync(this.file(id, 'used'), this.file(id, 'json'));
  }

  private forgetOld(): void {
    for (const name of readdirSync(this.directory)) {
      const kept = this.parse(join(this.directory, name));
      if (!kept || kept.expiresAt + REMEMBERED_MS < this.now()) rmSync(join(this.directory, name), { force: true });
    }
  }

  private file(id: string, kind: 'json' | 'used'): string {
    return join(this.directory, `${id}.${kind}`);
  }

  private read(id: string): Kept | undefined {
    return this.parse(this.file(id, 'json'));
  }

  private parse(path: string): Kept | undefined {
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Kept) : undefined;
  }

  private write(id: string, kept: Kept): void {
    replaceFile(this.file(id, 'json'), JSON.stringify(kept), 0o600);
  }
}
