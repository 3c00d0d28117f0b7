import { generateKeyPairSync, randomUUID } from 'node:crypto';
import jwt from 'jsonwebtoken';
import type { Revocation, TokenClaims } from '@virga/contracts';
import { newHexId, silentLogger } from '@virga/core';
import { TokenVerifier } from '@virga/rest';

export interface TestTokenSpec {
  userId?: string;
  userName?: string;
  /** Null for an unscoped token; absent makes a new project. */
  projectId?: string | null;
  projectName?: string;
  /** Default `['member']`. */
  roles?: string[];
  system?: true;
  /** Scope is the default domain. */
  domain?: true;
  /** Seconds from now; negative for an expired token. Default 3600. */
  lifetime?: number;
}

export interface TestIdentity {
  /** Verifies what `sign` makes, as a service does offline. */
  verifier: TokenVerifier;
  /** A token that holds. */
  sign(spec?: TestTokenSpec): string;
  revoke(revocation: Revocation): void;
  /** The key of the tokens, for an identity source of one's own. */
  signingKey: { kid: string; publicKeyPem: string };
}

const DEFAULT_DOMAIN = { id: 'default', name: 'Default' };

/** An identity service in miniature for stories: one ES256 key, tokens with the real claims, the real verifier. */
export async function testIdentity(): Promise<TestIdentity> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signingKey = { kid: randomUUID(), publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString() };
  const verifier = new TokenVerifier({ signingKeys: async () => [signingKey], revocations: async () => [] }, silentLogger);
  await verifier.refresh();
  return {
    verifier,
    signingKey,
    revoke: (revocation) => verifier.revoke(revocation),
    sign: (spec = {}) => {
      const now = Date.now() / 1000;
      const userId = spec.userId ?? newHexId();
      const claims: TokenClaims = {
        iss: 'virga',
        sub: userId,
        iat: now,
        exp: Math.floor(now + (spec.lifetime ?? 3600)),
        aud_ids: [randomUUID()],
        methods: ['password'],
        user: { name: spec.userName ?? `user-${userId.slice(0, 8)}`, domain: DEFAULT_DOMAIN },
        roles: (spec.roles ?? ['member']).map((name) => ({ id: `role-${name}`, name })),
        ...(spec.system ? { system: true as const } : {}),
        ...(spec.domain ? { domain: DEFAULT_DOMAIN } : {}),
      };
      if (spec.projectId !== null && !spec.system && !spec.domain) {
        const id = spec.projectId ?? newHexId();
        claims.project = { id, name: spec.projectName ?? `project-${id.slice(0, 8)}`, domain: DEFAULT_DOMAIN };
      }
      return jwt.sign(claims, privateKey, { algorithm: 'ES256', keyid: signingKey.kid });
    },
  };
}
