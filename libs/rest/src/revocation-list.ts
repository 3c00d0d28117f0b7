import type { Revocation } from '@virga/contracts';
import type { RequestContext } from '@virga/core';

/** Tokens that are void, by what they were revoked for; a look-up costs a few map reads, whatever the length. */
export class RevocationList {
  /** Audit id -> when it was revoked (ms). */
  private readonly auditIds = new Map<string, number>();
  /** Key (`user:<id>`, `project:<id>`, `domain:<id>`, `user-project:<u>:<p>`) -> tokens issued up to then are void (ms). */
  private readonly epochs = new Map<string, number>();

  add({ auditId, userId, projectId, domainId, issuedBefore }: Revocation): void {
    if (auditId !== undefined) {
      this.auditIds.set(auditId, Math.max(this.auditIds.get(auditId) ?? 0, issuedBefore));
      return;
    }
    const key = userId !== undefined && projectId !== undefined ? `user-project:${userId}:${projectId}`
      : userId !== undefined ? `user:${userId}`
      : projectId !== undefined ? `project:${projectId}`
      : domainId !== undefined ? `domain:${domainId}` : undefined;
    if (key !== undefined) this.epochs.set(key, Math.max(this.epochs.get(key) ?? 0, issuedBefore));
  }

  /** Forgets what was revoked up to `time` (ms): no token from before it lives any more. */
  prune(time: number): void {
    for (const list of [this.auditIds, this.epochs]) for (const [key, revokedAt] of list) if (revokedAt <= time) list.delete(key);
  }

  matches(context: RequestContext): boolean {
    if (context.auditIds.some((id) => this.auditIds.has(id))) return true;
    if (this.epochs.size === 0) return false;
    const { user, project, domain, trust } = context;
    // What ends the trustor's or the trustee's tokens ends those of the trust between them.
    const users = trust ? [trust.trustor, trust.trustee] : [user.id];
    const keys = [...users.map((id) => `user:${id}`), `domain:${user.domain.id}`];
    if (project) keys.push(`project:${project.id}`, ...users.map((id) => `user-project:${id}:${project.id}`), `domain:${project.domain.id}`);
    if (domain) keys.push(`domain:${domain.id}`);
    return keys.some((key) => context.issuedAt <= (this.epochs.get(key) ?? -1));
  }
}
