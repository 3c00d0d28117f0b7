import type { RequestContext } from '@virga/core';
import { RevocationList } from './revocation-list';

const home = { id: 'home', name: 'Home' };
const caller = (over: Partial<RequestContext> = {}): RequestContext => ({
  requestId: '', user: { id: 'u', name: 'u', domain: home }, project: { id: 'p', name: 'p', domain: { id: 'away', name: 'Away' } }, system: false, roles: [], roleNames: new Set(),
  auditIds: ['own', 'login'], issuedAt: 1000, expiresAt: 9000, token: '', ...over,
});

describe('RevocationList', () => {
  test.each([
    ['its audit id', { auditId: 'own', issuedBefore: 0 }, true],
    ['the audit id of its login', { auditId: 'login', issuedBefore: 0 }, true],
    ['another audit id', { auditId: 'other', issuedBefore: 9000 }, false],
    ['its user, at the millisecond of issue', { userId: 'u', issuedBefore: 1000 }, true],
    ['its user, before it was issued', { userId: 'u', issuedBefore: 999 }, false],
    ['its user in its project', { userId: 'u', projectId: 'p', issuedBefore: 1000 }, true],
    ['its user in another project', { userId: 'u', projectId: 'q', issuedBefore: 1000 }, false],
    ['another user in its project', { userId: 'v', projectId: 'p', issuedBefore: 1000 }, false],
    ['its project', { projectId: 'p', issuedBefore: 1000 }, true],
    ['the domain of its user', { domainId: 'home', issuedBefore: 1000 }, true],
    ['the domain of its project', { domainId: 'away', issuedBefore: 1000 }, true],
    ['another domain', { domainId: 'far', issuedBefore: 1000 }, false],
  ])('%s', (_, revocation, matches) => {
    const list = new RevocationList();
    list.add(revocation);
    expect(list.matches(caller())).toBe(matches);
  });

  test('the later of two times counts, in whatever order they come', () => {
    for (const times of [[500, 1000], [1000, 500]]) {
      const list = new RevocationList();
      for (const issuedBefore of times) list.add({ userId: 'u', issuedBefore });
      expect(list.matches(caller())).toBe(true);
    }
  });

  test('pruning forgets what no living token can match, and nothing else', () => {
    const list = new RevocationList();
    list.add({ auditId: 'own', issuedBefore: 500 });
    list.add({ userId: 'u', issuedBefore: 1500 });
    list.prune(1000);
    expect(list.matches(caller({ issuedAt: 1600 }))).toBe(false);
    expect(list.matches(caller())).toBe(true);
    list.prune(1500);
    expect(list.matches(caller())).toBe(false);
  });
});
