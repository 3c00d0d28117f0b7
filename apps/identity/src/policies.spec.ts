import type { RequestContext } from '@virga/core';
import type { PolicyTarget } from '@virga/rest';
import { createEnforcer, policies } from './policies';

const IMPLIED: Record<string, string[]> = { admin: ['admin', 'manager', 'member', 'reader'], manager: ['manager', 'member', 'reader'], member: ['member', 'reader'], reader: ['reader'], service: ['service'] };
const domain = { id: 'd1', name: 'One' };
const caller = (role: string, scope: Partial<RequestContext>): RequestContext => ({
  requestId: 'req', user: { id: 'me', name: 'me', domain }, system: false, roles: [], roleNames: new Set(IMPLIED[role]), auditIds: [], issuedAt: 0, expiresAt: 0, token: '', ...scope,
});
const callers = {
  admin: caller('admin', { project: { id: 'p1', name: 'p', domain } }),
  'system reader': caller('reader', { system: true }),
  'domain manager': caller('manager', { domain }),
  'domain reader': caller('reader', { domain }),
  'project manager': caller('manager', { project: { id: 'p1', name: 'p', domain } }),
  member: caller('member', { project: { id: 'p1', name: 'p', domain } }),
  service: caller('service', { project: { id: 'ps', name: 'service', domain } }),
};
const WRITES = /^identity:(create|update|delete|add|remove|revoke_grant|revoke_system)/;
const enforcer = createEnforcer();
const who = (rule: string, target: PolicyTarget): string[] => Object.entries(callers).filter(([, context]) => enforcer.allows(context, rule, target)).map(([name]) => name);

describe('policies', () => {
  test('no rule that writes lets a stranger, a reader of any scope, or a member do it to another', () => {
    for (const rule of Object.keys(policies).filter((name) => WRITES.test(name))) {
      for (const name of ['system reader', 'domain reader', 'project manager', 'member', 'service'] as const) {
        expect({ rule, name, allowed: enforcer.allows(callers[name], rule, { userId: 'another', domainId: 'd1', projectId: 'p2' }) }).toEqual({ rule, name, allowed: false });
      }
    }
  });

  test.each<[string, PolicyTarget, string[]]>([
    ['identity:list_users', { domainId: 'd1' }, ['admin', 'system reader', 'domain manager', 'domain reader']],
    ['identity:list_users', { domainId: 'd2' }, ['admin', 'system reader']],
    ['identity:list_users', {}, ['admin', 'system reader']],
    ['identity:create_user', { domainId: 'd1' }, ['admin', 'domain manager']],
    ['identity:create_user', { domainId: 'd2' }, ['admin']],
    ['identity:get_user', { userId: 'another', domainId: 'd2' }, ['admin', 'system reader']],
    ['identity:get_project', { projectId: 'p1', domainId: 'd2' }, ['admin', 'system reader', 'project manager', 'member']],
    ['identity:update_domain', { domainId: 'd1' }, ['admin']],
    ['identity:create_role', {}, ['admin']],
    ['identity:create_system_grant_for_user', {}, ['admin']],
    ['identity:validate_token', { userId: 'another' }, ['admin', 'service']],
    ['identity:revoke_token', { userId: 'another' }, ['admin']],
    ['identity:list_services', {}, ['admin', 'system reader']],
  ])('%s on %j', (rule, target, allowed) => {
    expect(who(rule, target)).toEqual(allowed);
  });

  test('everyone sees themselves, their projects, groups, credentials and tokens', () => {
    for (const rule of ['get_user', 'list_user_projects', 'list_groups_for_user', 'list_role_assignments', 'list_application_credentials', 'create_application_credential', 'delete_application_credential', 'validate_token', 'revoke_token']) {
      expect(who(`identity:${rule}`, { userId: 'me' })).toEqual(Object.keys(callers));
    }
  });

  test('nobody creates a credential for another, admins included', () => {
    expect(who('identity:create_application_credential', { userId: 'another' })).toEqual([]);
  });

  test('a target that names nothing is not matched by a caller that has nothing', () => {
    const bare = caller('reader', {});
    expect(enforcer.allows(bare, 'identity:list_users', { domainId: undefined })).toBe(false);
    expect(enforcer.allows(bare, 'identity:get_project', { projectId: undefined })).toBe(false);
    expect(enforcer.allows(bare, 'identity:get_user', { userId: undefined })).toBe(false);
  });
});
