import { Type, type Static } from '@sinclair/typebox';
import { call, defineContract } from '@virga/rpc';

/** One public key by which tokens are verified offline. */
export const SigningKey = Type.Object({
  kid: Type.String(),
  /** SubjectPublicKeyInfo, PEM; EC P-256. */
  publicKeyPem: Type.String(),
});

/**
 * Tokens that are void before they expire. A token is revoked when any entry matches:
 * `auditId` equals one of its audit ids, or its user/project/user-in-project was revoked after it was issued.
 */
export const Revocation = Type.Object({
  auditId: Type.Optional(Type.String()),
  userId: Type.Optional(Type.String()),
  projectId: Type.Optional(Type.String()),
  domainId: Type.Optional(Type.String()),
  /** Milliseconds since the epoch: tokens issued at or before this are void. */
  issuedBefore: Type.Number(),
});
export type Revocation = Static<typeof Revocation>;

export const identityContract = defineContract('identity', {
  signingKeys: call(Type.Object({}), Type.Object({ keys: Type.Array(SigningKey) })),
  revocations: call(Type.Object({}), Type.Object({ revocations: Type.Array(Revocation) })),
});

/** Topic on which identity publishes each new Revocation. */
export const REVOCATION_TOPIC = 'identity.revocation';

/** Claims of a Virga token (JWS, ES256, header `kid`). Names are inside, so that a service needs no look-up. */
export interface TokenClaims {
  iss: 'virga';
  /** User id. */
  sub: string;
  /** Seconds since the epoch with millisecond fraction. */
  iat: number;
  /** Seconds since the epoch. */
  exp: number;
  /** This token's audit id, then that of the login it came from (if another). */
  aud_ids: string[];
  methods: string[];
  user: { name: string; domain: { id: string; name: string } };
  project?: { id: string; name: string; domain: { id: string; name: string } };
  domain?: { id: string; name: string };
  system?: true;
  roles: { id: string; name: string }[];
  /** Set for a token of a trust, whose id is then the last audit id; `sub` is the trustor's when it impersonates, else the trustee's. */
  trust?: { id: string; impersonation: boolean; trustor: string; trustee: string };
  /** Set for a token of an application credential with access rules: only requests that one of them matches are allowed. */
  access_rules?: AccessRule[];
}

/** One kind of request that an application credential allows; the path has `*` (one segment), `**` (any) and `{name}` (one segment). */
export interface AccessRule { id: string; service: string; method: string; path: string }
