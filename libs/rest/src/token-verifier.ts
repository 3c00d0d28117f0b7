import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { REVOCATION_TOPIC, identityContract, type Revocation, type TokenClaims } from '@virga/contracts';
import type { Bus } from '@virga/rpc';
import { unauthorized, type Logger, type RequestContext } from '@virga/core';
import { claimsOfCms, isCmsToken, isSignedBy, readCmsToken, type CmsParts } from './cms-token';
import { RevocationList } from './revocation-list';

/** Where public keys and revocations come from: identity itself has them at hand, all others ask over the bus. */
export interface IdentitySource {
  signingKeys(): Promise<{ kid: string; publicKeyPem: string }[]>;
  revocations(): Promise<Revocation[]>;
}

/** What each default role implies, itself included (keystone's implied roles as bootstrapped). */
const IMPLIED: Record<string, readonly string[]> = {
  admin: ['admin', 'manager', 'member', 'reader'],
  manager: ['manager', 'member', 'reader'],
  member: ['member', 'reader'],
};

const CACHE_SIZE = 20_000;
/** Longest token in characters that is looked at; identity signs none that is longer. Two of them fit into Node's 16 KiB of headers. */
export const MAX_TOKEN_LENGTH = 7168;
/** Identity lets no token live longer; revocations older than this concern none. */
const LONGEST_LIFE_MS = 86_400_000;
const PRUNE_EVERY_MS = 600_000;
const REJECTED = 'The request you have made requires authentication.';

/** Verifies tokens without asking anyone: signature, lifetime, revocation. Verified tokens are remembered. */
export class TokenVerifier {
  private readonly keys = new Map<string, KeyObject>();
  private readonly cache = new Map<string, RequestContext>();
  private readonly revoked = new RevocationList();
  private keysFetchedAt = 0;
  private prunedAt = 0;

  constructor(private readonly source: IdentitySource, private readonly logger: Logger) {}

  /** A verifier that follows identity over the bus; revocations missed while the broker was away are read again. */
  static async overBus(bus: Bus, logger: Logger): Promise<TokenVerifier> {
    const identity = bus.client(identityContract);
    const verifier = new TokenVerifier({
      signingKeys: async () => (await identity.signingKeys({})).keys,
      revocations: async () => (await identity.revocations({})).revocations,
    }, logger);
    await bus.subscribe(REVOCATION_TOPIC, (payload) => verifier.revoke(payload as Revocation));
    bus.onReconnect(() => void verifier.refresh().catch((error: unknown) => logger.warn({ err: error }, 'revocations not refreshed')));
    await verifier.refresh();
    return verifier;
  }

  async refresh(): Promise<void> {
    const [keys, revocations] = await Promise.all([this.source.signingKeys(), this.source.revocations()]);
    this.setKeys(keys);
    for (const revocation of revocations) this.revoke(revocation);
  }

  revoke(revocation: Revocation): void {
    this.revoked.add(revocation);
    if (Date.now() - this.prunedAt < PRUNE_EVERY_MS) return;
    this.prunedAt = Date.now();
    this.revoked.prune(this.prunedAt - LONGEST_LIFE_MS);
  }

  /** Throws 401 for a token that is not ours, tampered, expired or revoked. */
  async verify(token: string): Promise<RequestContext> {
    const cacheKey = createHash('sha256').update(token).digest('base64');
    const cached = this.cache.get(cacheKey);
    const context = cached ?? this.toContext(token, await this.verifySignature(token));
    if (context.expiresAt <= Date.now() || this.revoked.matches(context)) {
      this.cache.delete(cacheKey);
      throw unauthorized(REJECTED);
    }
    if (!cached) this.remember(cacheKey, context);
    return context;
  }

  private remember(cacheKey: string, context: RequestContext): void {
    if (this.cache.size >= CACHE_SIZE) this.cache.delete(this.cache.keys().next().value!);
    this.cache.set(cacheKey, context);
  }

  private async verifySignature(token: string): Promise<TokenClaims> {
    if (token.length > MAX_TOKEN_LENGTH) throw unauthorized(REJECTED);
    const parts = isCmsToken(token) ? readCmsToken(token) : undefined;
    const kid = parts?.serial ?? keyIdOf(token);
    if (kid === undefined) throw unauthorized(REJECTED);
    // A key we do not know may be new; asking is bounded, so that made-up key ids cannot flood identity.
    if (!this.keys.has(kid) && Date.now() - this.keysFetchedAt > 1000) {
      this.keysFetchedAt = Date.now();
      this.setKeys(await this.source.signingKeys());
    }
    const key = this.keys.get(kid);
    if (!key) throw unauthorized(REJECTED);
    if (parts) return this.verifyCms(parts, key);
    try {
      return jwt.verify(token, key, { algorithms: ['ES256'], issuer: 'virga' }) as unknown as TokenClaims;
    } catch (error) {
      this.logger.debug({ reason: (error as Error).message }, 'token refused');
      throw unauthorized(REJECTED);
    }
  }

  /** The lifetime is judged with every use, as that of a remembered token. */
  private verifyCms(parts: CmsParts, key: KeyObject): TokenClaims {
    if (!isSignedBy(parts, key)) throw unauthorized(REJECTED);
    const claims = claimsOfCms(parts);
    if (claims?.iss !== 'virga') throw unauthorized(REJECTED);
    return claims;
  }

  private setKeys(keys: { kid: string; publicKeyPem: string }[]): void {
    const current = new Set(keys.map(({ kid }) => kid));
    for (const kid of this.keys.keys()) if (!current.has(kid)) { this.keys.delete(kid); this.cache.clear(); }
    for (const { kid, publicKeyPem } of keys) if (!this.keys.has(kid)) this.keys.set(kid, createPublicKey(publicKeyPem));
  }

  private toContext(token: string, claims: TokenClaims): RequestContext {
    return {
      requestId: '',
      user: { id: claims.sub, name: claims.user.name, domain: claims.user.domain },
      project: claims.project,
      domain: claims.domain,
      system: claims.system === true,
      roles: claims.roles,
      roleNames: new Set(claims.roles.flatMap(({ name }) => IMPLIED[name] ?? [name])),
      methods: claims.methods,
      ...(claims.trust && { trust: claims.trust }),
      ...(claims.access_rules && { accessRules: claims.access_rules }),
      auditIds: claims.aud_ids,
      issuedAt: Math.round(claims.iat * 1000),
      expiresAt: claims.exp * 1000,
      token,
    };
  }
}

/** The `kid` of a compact JWS, or undefined when it is not one. */
function keyIdOf(token: string): string | undefined {
  const [header, , signature, ...rest] = token.split('.');
  if (!header || !signature || rest.length > 0) return undefined;
  try {
    const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as { kid?: unknown };
    return typeof kid === 'string' ? kid : undefined;
  } catch {
    return undefined;
  }
}
