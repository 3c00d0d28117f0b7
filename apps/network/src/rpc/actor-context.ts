import type { Static } from '@sinclair/typebox';
import type { Actor } from '@virga/contracts';
import type { RequestContext } from '@virga/core';

/**
 * The caller of another service's request, as the policy sees it. Everything that names the person is unknown here and
 * empty; nothing in this service asks for it.
 */
export function contextOfActor(actor: Static<typeof Actor>): RequestContext {
  const domain = { id: '', name: '' };
  return {
    requestId: actor.requestId,
    user: { id: actor.userId, name: '', domain },
    ...(actor.projectId !== null && { project: { id: actor.projectId, name: '', domain } }),
    system: false,
    roles: [],
    roleNames: new Set(actor.roles),
    auditIds: [],
    issuedAt: 0,
    expiresAt: Number.MAX_SAFE_INTEGER,
    token: '',
  };
}
