import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { newHexId } from '@virga/core';
import { inTransaction } from '@virga/db';
import type { Db } from '../db/tables';
import { seal, unseal } from './sealed';

export interface SigningKey { kid: string; key: KeyObject }
export interface PublicKey { kid: string; publicKeyPem: string }

/** Another copy signs with the old key until it has seen the new one (see REFRESH_MS); its tokens must stay valid too. */
const GRACE_MS = 300_000;
/** How often a process looks whether another has rotated the keys. */
export const REFRESH_MS = 30_000;

/** The keys that sign tokens: one current, and retired ones until the last token they signed has expired. */
export class SigningKeys {
  private current: SigningKey | undefined;
  private published: PublicKey[] = [];

  constructor(private readonly db: Db, private readonly sealKey: Buffer, private readonly tokenSeconds: number) {}

  /** Reads the keys, makes the first one, drops those that no living token needs. */
  async refresh(): Promise<void> {
    await this.db.deleteFrom('signing_keys').where('retired_at', '<', Date.now() - this.tokenSeconds * 1000 - GRACE_MS).execute();
    let rows = await this.read();
    if (!rows.some((row) => row.retired_at === null)) {
      await this.rotate();
      rows = await this.read();
    }
    const newest = rows.find((row) => row.retired_at === null)!;
    if (this.current?.kid !== newest.kid) this.current = { kid: newest.kid, key: this.open(newest.kid, newest.private_sealed) };
    this.published = rows.map(({ kid, public_pem: publicKeyPem }) => ({ kid, publicKeyPem }));
  }

  /**
   * A new key signs from now on. The former ones stay valid for the tokens they signed, or, when one may have been
   * stolen, are dropped with all tokens they signed. Returns the new key's id.
   */
  async rotate(former: 'keep' | 'drop' = 'keep'): Promise<string> {
    const kid = newHexId();
    const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', {
      namedCurve: 'P-256', publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const now = Date.now();
    await inTransaction(this.db, async (trx) => {
      if (former === 'drop') await trx.deleteFrom('signing_keys').execute();
      else await trx.updateTable('signing_keys').set({ retired_at: now }).where('retired_at', 'is', null).execute();
      await trx.insertInto('signing_keys').values({
        kid, public_pem: publicKey, private_sealed: seal(this.sealKey, kid, privateKey), created_at: now, retired_at: null,
      }).execute();
    });
    return kid;
  }

  get signing(): SigningKey {
    if (!this.current) throw new Error('The signing keys have not been read.');
    return this.current;
  }

  /** What other services verify tokens by. */
  get publicKeys(): PublicKey[] {
    return this.published;
  }

  private read() {
    return this.db.selectFrom('signing_keys').selectAll().orderBy('created_at', 'desc').orderBy('kid').execute();
  }

  private open(kid: string, sealed: string): KeyObject {
    try {
      return createPrivateKey(unseal(this.sealKey, kid, sealed));
    } catch (cause) {
      throw new Error(`Signing key ${kid} cannot be opened with the key file given by VIRGA_IDENTITY_KEY_FILE; give the file it was made with, or run rotate-keys.`, { cause });
    }
  }
}
