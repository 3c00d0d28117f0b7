import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';
import { badRequest, CloudError } from '@virga/core';

/** Memory 32 MiB and about 0.1 s of one core for each hash. */
const COST = { logN: 15, r: 8, p: 1 } as const;
const KEY_BYTES = 32;
/** Hashing runs in libuv's pool of four threads, which files and DNS need too. */
const IN_FLIGHT = 2;
/** Waiting logins at most; beyond this a flood is told to come back. */
const WAITING = 200;
export const MAX_PASSWORD_LENGTH = 4096;

interface Parsed { logN: number; r: number; p: number; salt: Buffer; key: Buffer }

const encode = ({ logN, r, p, salt, key }: Parsed): string => `$scrypt$ln=${logN},r=${r},p=${p}$${salt.toString('base64url')}$${key.toString('base64url')}`;

function parse(stored: string): Parsed | undefined {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w-]+)\$([\w-]+)$/.exec(stored);
  if (!match) return undefined;
  const [, logN, r, p, salt, key] = match as unknown as [string, string, string, string, string, string];
  return { logN: Number(logN), r: Number(r), p: Number(p), salt: Buffer.from(salt, 'base64url'), key: Buffer.from(key, 'base64url') };
}

/** scrypt hashes (RFC 7914); each stored string carries its parameters, so that they can be raised later. */
export class PasswordHasher {
  private inFlight = 0;
  private readonly waiting: (() => void)[] = [];
  /** Stands in for the hash of a user who does not exist, so that the answer takes as long. */
  private readonly dummy = encode({ ...COST, salt: randomBytes(16), key: randomBytes(KEY_BYTES) });

  /** Throws 400 for a password longer than 4096 characters. */
  async hash(password: string): Promise<string> {
    if (password.length > MAX_PASSWORD_LENGTH) throw badRequest(`Password length must be less than or equal to ${MAX_PASSWORD_LENGTH}.`);
    const salt = randomBytes(16);
    return encode({ ...COST, salt, key: await this.derive(password, { ...COST, salt }) });
  }

  /** False for a wrong password, and, after the same work, where there is no hash. */
  async verify(password: string, stored: string | null | undefined): Promise<boolean> {
    if (password.length > MAX_PASSWORD_LENGTH) throw badRequest(`Password length must be less than or equal to ${MAX_PASSWORD_LENGTH}.`);
    const parsed = stored ? parse(stored) : undefined;
    const against = parsed ?? parse(this.dummy)!;
    const key = await this.derive(password, against, against.key.length);
    return timingSafeEqual(key, against.key) && parsed !== undefined;
  }

  private async derive(password: string, { logN, r, p, salt }: Omit<Parsed, 'key'>, length = KEY_BYTES): Promise<Buffer> {
    await this.enter();
    try {
      const options: ScryptOptions = { N: 2 ** logN, r, p, maxmem: 256 * 2 ** logN * r };
      return await new Promise<Buffer>((resolve, reject) => {
        scrypt(password.normalize('NFC'), salt, length, options, (error, key) => (error ? reject(error) : resolve(key)));
      });
    } finally {
      this.leave();
    }
  }

  private async enter(): Promise<void> {
    if (this.inFlight < IN_FLIGHT) {
      this.inFlight++;
      return;
    }
    if (this.waiting.length >= WAITING) {
      throw new CloudError('unavailable', 'Too many logins are waiting. Try again in a moment.', { headers: { 'Retry-After': '2' } });
    }
    await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  /** The place of the one who leaves goes to the first who waits. */
  private leave(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.inFlight--;
  }
}
