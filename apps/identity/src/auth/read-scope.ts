import { badRequest } from '@virga/core';
import type { ScopeRequest } from '../role-assignments/grants';
import type { AuthRequest } from './auth-request';

export type AskedScope = ScopeRequest | { kind: 'trust'; id: string };

export const REJECTED = 'The request you have made requires authentication.';

/** Keystone's sentence for a part of an authentication request that is not there. */
export const expecting = (attribute: string, target: string) => badRequest(
  `Expecting to find ${attribute} in ${target}. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.`);

/**
 * The scope that a login asks for: undefined when it says nothing (the default project then counts), 'unscoped' when
 * it wants none. 400 when it asks for several or for half a name.
 */
export function readScope(scope: AuthRequest['auth']['scope']): AskedScope | 'unscoped' | undefined {
  if (scope === undefined) return undefined;
  if (scope === 'unscoped') return 'unscoped';
  const asked = (['project', 'domain', 'system', 'unscoped', 'OS-TRUST:trust'] as const).filter((kind) => scope[kind] !== undefined);
  if (asked.length !== 1) throw expecting('project, domain, OS-TRUST:trust or system', 'scope');
  if (scope.unscoped) return 'unscoped';
  if (scope.project) return readProject(scope.project);
  if (scope.domain) {
    if (scope.domain.id === undefined && scope.domain.name === undefined) throw expecting('id or name', 'domain');
    return { kind: 'domain', ...scope.domain };
  }
  if (scope.system) {
    if (scope.system.all !== true) throw expecting('all', 'system');
    return { kind: 'system' };
  }
  const trust = scope['OS-TRUST:trust'];
  if (trust?.id === undefined) throw expecting('id', 'OS-TRUST:trust');
  return { kind: 'trust', id: trust.id };
}

function readProject(project: { id?: string; name?: string; domain?: { id?: string; name?: string } }): ScopeRequest {
  if (project.id !== undefined) return { kind: 'project', id: project.id };
  if (project.name === undefined) throw expecting('id or name', 'project');
  if (project.domain?.id === undefined && project.domain?.name === undefined) throw expecting('domain', 'project');
  return { kind: 'project', name: project.name, domain: project.domain };
}
