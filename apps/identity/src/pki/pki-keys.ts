import { createPrivateKey, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { inTransaction, isDuplicateKey } from '@virga/db';
import type { Db, PkiCertificateRow } from '../db/tables';
import { seal, unseal } from '../tokens/sealed';
import type { PublicKey } from '../tokens/signing-keys';
import { makeCertificate } from './certificates';
import type { CmsSigner } from './sign-cms';

/** Other copies of identity sign with the old certificate until they have seen the new one. */
const GRACE_MS = 300_000;
/** There is one authority: its row has this key, so that of two copies that start together one makes it. */
const AUTHORITY = 'ca';

/** Certificates by which tokens of the classic format are signed and verified. They are made when the format is first used. */
export class PkiKeys {
  private rows: PkiCertificateRow[] = [];
  private signer: (CmsSigner & { serial: string }) | undefined;

  constructor(private readonly db: Db, private readonly sealKey: Buffer, private readonly tokenSeconds: number) {}

  /** Reads them; with `make` the first ones are made when there are none. */
  async refresh(make: boolean): Promise<void> {
    await this.db.deleteFrom('pki_certificates').where('retired_at', '<', Date.now() - this.tokenSeconds * 1000 - GRACE_MS).execute();
    this.rows = await this.read();
    if (make && this.current === undefined) {
      await this.rotate();
      this.rows = await this.read();
    }
    const { current } = this;
    if (current && this.signer?.serial !== current.serial) {
      this.signer = { serial: current.serial, certificate: forge.pki.certificateFromPem(current.certificate_pem), key: createPrivateKey(unseal(this.sealKey, current.serial, current.private_sealed)) };
    }
  }

  /** A new certificate signs from now on; the former ones are kept for their tokens, or dropped with them. The authority stays. */
  async rotate(former: 'keep' | 'drop' = 'keep'): Promise<void> {
    const authority = await this.authority();
    const made = await makeCertificate('Virga token signing', { certificatePem: authority.certificate_pem, privateKeyPem: unseal(this.sealKey, AUTHORITY, authority.private_sealed) });
    await inTransaction(this.db, async (trx) => {
      const signing = { role: 'signing' as const };
      if (former === 'drop') await trx.deleteFrom('pki_certificates').where('role', '=', signing.role).execute();
      else await trx.updateTable('pki_certificates').set({ retired_at: Date.now() }).where('role', '=', signing.role).where('retired_at', 'is', null).execute();
      await trx.insertInto('pki_certificates').values({
        serial: made.serial, ...signing, certificate_pem: made.certificatePem, private_sealed: seal(this.sealKey, made.serial, made.privateKeyPem), created_at: Date.now(), retired_at: null,
      }).execute();
    });
  }

  /** True once there are certificates, whichever format is used now. */
  get exist(): boolean {
    return this.rows.length > 0;
  }

  get signing(): CmsSigner {
    if (!this.signer) throw new Error('There is no certificate that signs tokens.');
    return this.signer;
  }

  /** What services verify classic tokens by; the id is the certificate's serial number in hexadecimal. */
  get publicKeys(): PublicKey[] {
    return this.signers.map(({ serial, certificate_pem: pem }) => ({ kid: serial, publicKeyPem: new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'pem' }).toString() }));
  }

  /** PEM of all that living tokens may be signed by, the current one first. */
  get signingCertificates(): string {
    return this.signers.map(({ certificate_pem: pem }) => pem).join('');
  }

  get authorityCertificate(): string {
    return this.rows.find(({ role }) => role === 'ca')!.certificate_pem;
  }

  private get signers(): PkiCertificateRow[] {
    return this.rows.filter(({ role }) => role === 'signing');
  }

  private get current(): PkiCertificateRow | undefined {
    return this.signers.find(({ retired_at: retired }) => retired === null);
  }

  private async authority(): Promise<PkiCertificateRow> {
    const find = () => this.db.selectFrom('pki_certificates').selectAll().where('serial', '=', AUTHORITY).executeTakeFirst();
    const found = await find();
    if (found) return found;
    const made = await makeCertificate('Virga token CA');
    await this.db.insertInto('pki_certificates').values({
      serial: AUTHORITY, role: 'ca', certificate_pem: made.certificatePem, private_sealed: seal(this.sealKey, AUTHORITY, made.privateKeyPem), created_at: Date.now(), retired_at: null,
    }).execute().catch((error: unknown) => { if (!isDuplicateKey(error)) throw error; });
    return (await find())!;
  }

  private read(): Promise<PkiCertificateRow[]> {
    return this.db.selectFrom('pki_certificates').selectAll().orderBy('created_at', 'desc').orderBy('serial').execute();
  }
}
