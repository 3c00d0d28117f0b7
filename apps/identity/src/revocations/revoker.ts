import { addToOutbox, inTransaction, type OutboxRelay } from '@virga/db';
import { REVOCATION_TOPIC, type Revocation } from '@virga/contracts';
import { systemClock, type Clock } from '@virga/core';
import type { TokenVerifier } from '@virga/rest';
import type { Selectable } from '@virga/db';
import type { Db, IdentitySchema, RevocationRow, Trx } from '../db/tables';

export type RevocationRows = Selectable<RevocationRow>[];

/** What becomes void; the time is added at commit. */
export type RevocationSubject = Omit<Revocation, 'issuedBefore'> & {
  /** SHA-256 of a single token's text, for the list by which others know it. */
  tokenSha256?: string;
};
export type Revoke = (subject: RevocationSubject) => void;

const keyOf = ({ auditId, userId, projectId, domainId }: RevocationSubject): string => [auditId, userId, projectId, domainId].join(' ');

/** Each once; a revocation of a user covers the user's projects. */
export function distinctSubjects(subjects: RevocationSubject[]): RevocationSubject[] {
  const wholeUsers = new Set(subjects.filter(({ userId, projectId }) => userId !== undefined && projectId === undefined).map(({ userId }) => userId));
  const kept = subjects.filter(({ userId, projectId }) => userId === undefined || projectId === undefined || !wholeUsers.has(userId));
  return [...new Map(kept.map((subject) => [keyOf(subject), subject])).values()];
}

/**
 * Changes that void tokens. A change and its revocations are one transaction; the revocations are told to all
 * services through the outbox.
 *
 * The time of a revocation is set twice. A login that read the old state before the commit carries an issue time from
 * before its reading, hence before the commit; so the time that counts is one from after the commit. The row written
 * inside the transaction covers a crash between the two.
 */
export class Revoker {
  constructor(
    private readonly db: Db,
    private readonly verifier: Pick<TokenVerifier, 'revoke'>,
    private readonly relay: Pick<OutboxRelay<IdentitySchema>, 'wake'>,
    private readonly tokenSeconds: number,
    private readonly clock: Clock = systemClock,
  ) {}

  /** Runs `work` in a transaction, with what it calls `revoke` for void once it is committed. */
  async transaction<T>(work: (trx: Trx, revoke: Revoke) => Promise<T>): Promise<T> {
    const { result, subjects } = await inTransaction(this.db, async (trx) => {
      const named: RevocationSubject[] = [];
      const result = await work(trx, (subject) => { named.push(subject); });
      const subjects = distinctSubjects(named);
      if (subjects.length > 0) await this.write(trx, subjects);
      return { result, subjects };
    });
    if (subjects.length > 0) await this.makeEffective(subjects);
    return result;
  }

  private async makeEffective(subjects: RevocationSubject[]): Promise<void> {
    const at = this.clock.now();
    for (const subject of subjects) this.verifier.revoke(toMessage(subject, at));
    // An audit id is void whatever the time; only the others move.
    const timed = subjects.filter(({ auditId }) => auditId === undefined);
    if (timed.length > 0) await inTransaction(this.db, (trx) => this.write(trx, timed, at));
    this.relay.wake();
    // A token asked for right after our answer must be younger than the revocation, which counts in milliseconds.
    while (this.clock.now() <= at) await this.clock.sleep(1);
  }

  private async write(trx: Trx, subjects: RevocationSubject[], issuedBefore = this.clock.now()): Promise<void> {
    const expiresAt = issuedBefore + this.tokenSeconds * 1000 + 60_000;
    await trx.insertInto('revocations').values(subjects.map(({ auditId, userId, projectId, domainId, tokenSha256 }) => ({
      audit_id: auditId ?? null, user_id: userId ?? null, project_id: projectId ?? null, domain_id: domainId ?? null, token_sha256: tokenSha256 ?? null,
      issued_before: issuedBefore, expires_at: expiresAt,
    }))).execute();
    for (const subject of subjects) await addToOutbox(trx, { topic: REVOCATION_TOPIC, payload: toMessage(subject, issuedBefore) });
  }

  /** Revocations that may still concern a living token. */
  async list(): Promise<Revocation[]> {
    return (await this.rows()).map(toRevocation);
  }

  rows(): Promise<RevocationRows> {
    return this.db.selectFrom('revocations').selectAll().where('expires_at', '>', this.clock.now()).execute();
  }

  /** Forgets revocations whose tokens have all expired. */
  async prune(): Promise<void> {
    await this.db.deleteFrom('revocations').where('expires_at', '<=', this.clock.now()).execute();
  }
}

const toMessage = ({ tokenSha256: _, ...subject }: RevocationSubject, issuedBefore: number): Revocation => ({ ...subject, issuedBefore });

const toRevocation = ({ audit_id, user_id, project_id, domain_id, issued_before }: Pick<RevocationRow, 'audit_id' | 'user_id' | 'project_id' | 'domain_id' | 'issued_before'>): Revocation => ({
  ...(audit_id !== null && { auditId: audit_id }),
  ...(user_id !== null && { userId: user_id }),
  ...(project_id !== null && { projectId: project_id }),
  ...(domain_id !== null && { domainId: domain_id }),
  issuedBefore: Number(issued_before),
});
