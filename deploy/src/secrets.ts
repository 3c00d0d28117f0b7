import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { replaceFile } from './replace-file';

/** The generated secrets of a cloud, by name, in one file of mode 0600. A name's secret is made when first asked for. */
export class SecretStore {
  private readonly secrets: Record<string, string>;

  constructor(private readonly file: string) {
    this.secrets = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>) : {};
  }

  /** 24 random bytes in base64url: fits URLs, SQL strings and environment files without quoting. */
  get(name: string): string {
    if (!Object.hasOwn(this.secrets, name)) this.keep(name, randomBytes(24).toString('base64url'));
    return this.secrets[name]!;
  }

  /** Notes a secret that was made elsewhere. */
  keep(name: string, secret: string): void {
    this.secrets[name] = secret;
    replaceFile(this.file, `${JSON.stringify(this.secrets, null, 2)}\n`, 0o600);
  }
}

/**
 * RabbitMQ's form of a password: base64(salt + sha256(salt + password)), 4 bytes of salt. The salt comes from name and
 * password, so that writing the same definitions twice gives the same file.
 */
export function rabbitHash(user: string, password: string): string {
  const salt = createHash('sha256').update(`${user}\0${password}`).digest().subarray(0, 4);
  return Buffer.concat([salt, createHash('sha256').update(salt).update(password).digest()]).toString('base64');
}
