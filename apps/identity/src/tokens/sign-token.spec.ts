import { generateKeyPairSync } from 'node:crypto';
import jwt from 'jsonwebtoken';
import type { TokenClaims } from '@virga/contracts';
import { silentLogger } from '@virga/core';
import { TokenVerifier } from '@virga/rest';
import { readClaims } from './read-claims';
import { newAuditId, signToken } from './sign-token';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const now = Date.now();
const claims: TokenClaims = {
  iss: 'virga', sub: 'u'.repeat(32), iat: now / 1000, exp: Math.floor(now / 1000) + 3600, aud_ids: [newAuditId()], methods: ['password'],
  user: { name: 'žluťoučký \u{1F40E}', domain: { id: 'default', name: 'Default' } },
  project: { id: 'p'.repeat(32), name: 'demo', domain: { id: 'default', name: 'Default' } },
  roles: [{ id: 'r1', name: 'member' }],
};

describe('signToken', () => {
  test('the claims travel unchanged, under ES256 and the key\'s id', () => {
    const token = signToken(claims, { kid: 'k1', key: privateKey });
    expect(readClaims(token)).toEqual(claims);
    expect(jwt.decode(token, { complete: true })!.header).toEqual({ alg: 'ES256', typ: 'JWT', kid: 'k1' });
  });

  test('a verifier makes the same of it, to the millisecond', async () => {
    const verifier = new TokenVerifier({
      signingKeys: async () => [{ kid: 'k1', publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString() }], revocations: async () => [],
    }, silentLogger);
    await verifier.refresh();
    const context = await verifier.verify(signToken(claims, { kid: 'k1', key: privateKey }));
    expect(context).toMatchObject({ issuedAt: now, user: { id: claims.sub, name: claims.user.name }, project: claims.project, system: false, auditIds: claims.aud_ids });
    expect([...context.roleNames]).toEqual(['member', 'reader']);
    verifier.revoke({ userId: claims.sub, issuedBefore: now - 1 });
    await verifier.verify(context.token);
    verifier.revoke({ userId: claims.sub, issuedBefore: now });
    await expect(verifier.verify(context.token)).rejects.toMatchObject({ status: 401 });
  });

  test('a token that no service would take is not made', () => {
    const roles = Array.from({ length: 120 }, (_, index) => ({ id: `${index}`.padStart(32, '0'), name: `role-${index}` }));
    expect(() => signToken({ ...claims, roles }, { kid: 'k1', key: privateKey })).toThrow(/too many roles/);
  });

  test('audit ids are 22 characters and never the same', () => {
    const ids = new Set(Array.from({ length: 1000 }, newAuditId));
    expect(ids.size).toBe(1000);
    for (const id of ids) expect(id).toMatch(/^[\w-]{22}$/);
  });
});
