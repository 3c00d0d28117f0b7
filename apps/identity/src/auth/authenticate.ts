import { Inject, Injectable } from '@nestjs/common';
import type { TokenClaims } from '@virga/contracts';
import { CloudError, forbidden, unauthorized } from '@virga/core';
import { TokenVerifier } from '@virga/rest';
import { DATABASE, CONFIG, TOKEN_FORMAT, type Settings } from '../injection';
import type { Db } from '../db/tables';
import { PasswordHasher } from '../passwords/password-hash';
import { findGrants, type GrantedScope, type ScopeRequest } from '../role-assignments/grants';
import { newAuditId } from '../tokens/sign-token';
import type { TokenFormat } from '../tokens/token-format';
import { readClaims } from '../tokens/read-claims';
import type { AuthRequest } from './auth-request';
import { ApplicationCredentialLogin, type UsedCredential } from './application-credential-login';
import { findLoginUser, isUsable, type LoginUser } from './find-user';
import { expecting, readScope, REJECTED } from './read-scope';
import { TrustLogin, type TrustScope } from './trust-scope';

/** What the methods of one login have shown. */
interface Proof {
  user: LoginUser;
  methods: string[];
  /** Seconds since the epoch, when the proof itself ends (a token's life is not prolonged by using it). */
  expiresAt?: number;
  /** Audit id of the login that the proof descends from. */
  origin?: string;
  credential?: UsedCredential;
  /** True when the scope cannot be chosen: the credential's own is the only one. */
  scopeFixed?: boolean;
}

type Method = (identity: AuthRequest['auth']['identity']) => Promise<Proof>;

export interface IssuedToken { token: string; claims: TokenClaims; credential?: UsedCredential }

/** Logins: from proofs of identity and a wanted scope to a signed token. */
@Injectable()
export class Authenticator {
  constructor(
    @Inject(DATABASE) private readonly db: Db,
    @Inject(CONFIG) private readonly settings: Settings,
    @Inject(PasswordHasher) private readonly hasher: PasswordHasher,
    @Inject(TokenVerifier) private readonly verifier: TokenVerifier,
    @Inject(TOKEN_FORMAT) private readonly format: TokenFormat,
    @Inject(ApplicationCredentialLogin) private readonly credentials: ApplicationCredentialLogin,
    @Inject(TrustLogin) private readonly trusts: TrustLogin,
  ) {}

  private readonly methods: Record<string, Method> = {
    password: (identity) => this.byPassword(identity),
    token: (identity) => this.byToken(identity),
    application_credential: (identity) => this.byCredential(identity),
  };

  /** Throws 400 for a request that makes no sense, and one and the same 401 for whatever else is wrong. */
  async authenticate({ auth }: AuthRequest): Promise<IssuedToken> {
    // Before anything is read: see Revoker for what this time decides.
    const issuedAt = Date.now();
    const asked = readScope(auth.scope);
    const proof = await this.prove(auth.identity);
    const lent = asked !== 'unscoped' && asked?.kind === 'trust' ? await this.redeem(proof, asked.id) : undefined;
    const scope = lent?.scope ?? await this.grant(proof, asked as ScopeRequest | 'unscoped' | undefined);
    const user = lent?.user ?? proof.user;
    // A trust's and a credential's tokens descend from it, so that its end ends them.
    const origin = lent?.trust.id ?? proof.origin;
    const accessRules = proof.credential?.accessRules?.map(({ id, service, method, path }) => ({ id, path, method, service }));
    const claims: TokenClaims = {
      iss: 'virga',
      sub: user.id,
      iat: issuedAt / 1000,
      exp: Math.min(Math.floor(issuedAt / 1000) + this.settings.tokenSeconds, proof.expiresAt ?? Infinity, lent?.expiresAt ?? Infinity),
      aud_ids: [newAuditId(), ...(origin === undefined ? [] : [origin])],
      methods: proof.methods,
      user: { name: user.name, domain: { id: user.domain_id, name: user.domain_name } },
      ...(scope.project && { project: scope.project }),
      ...(scope.domain && { domain: scope.domain }),
      ...(scope.system && { system: scope.system }),
      roles: scope.roles,
      ...(lent && { trust: lent.trust }),
      ...(accessRules && { access_rules: accessRules }),
    };
    const matter = { claims, ...(proof.credential && { credential: proof.credential }) };
    return { token: await this.format.make(matter), ...matter };
  }

  private async prove(identity: AuthRequest['auth']['identity']): Promise<Proof> {
    const names = [...new Set(identity.methods)];
    if (names.length === 0) throw unauthorized(REJECTED);
    let proof: Proof | undefined;
    for (const name of names) {
      const method = Object.hasOwn(this.methods, name) ? this.methods[name] : undefined;
      if (!method) throw unauthorized(REJECTED);
      const next = await method(identity);
      if (proof && proof.user.id !== next.user.id) throw unauthorized(REJECTED);
      proof = proof ? combine(proof, next) : next;
    }
    return proof!;
  }

  private async byPassword({ password }: AuthRequest['auth']['identity']): Promise<Proof> {
    if (!password) throw expecting('password', 'identity');
    const user = await findLoginUser(this.db, password.user);
    const right = await this.hasher.verify(password.user.password, user?.password_hash);
    if (!user || !right || !isUsable(user)) throw unauthorized(REJECTED);
    return { user, methods: ['password'] };
  }

  private async byToken({ token }: AuthRequest['auth']['identity']): Promise<Proof> {
    if (!token) throw expecting('token', 'identity');
    await this.verifier.verify(token.id);
    const claims = readClaims(token.id);
    // What was lent is not passed on.
    if (claims.trust) throw forbidden('Trust-scoped tokens cannot be used to get other tokens.');
    const user = await findLoginUser(this.db, { id: claims.sub });
    if (!user || !isUsable(user)) throw unauthorized(REJECTED);
    const origin = claims.aud_ids.at(-1);
    const proof: Proof = { user, methods: [...new Set([...claims.methods, 'token'])], expiresAt: claims.exp, ...(origin !== undefined && { origin }) };
    if (!claims.methods.includes('application_credential')) return proof;
    const credential = await this.credentials.find(origin ?? '');
    if (!credential) throw unauthorized(REJECTED);
    return { ...proof, credential, scopeFixed: true };
  }

  private async byCredential({ application_credential: given }: AuthRequest['auth']['identity']): Promise<Proof> {
    if (!given) throw expecting('application_credential', 'identity');
    const { user, credential } = await this.credentials.verify(given);
    return {
      user, credential, methods: ['application_credential'], origin: credential.id, scopeFixed: true,
      ...(credential.expiresAt !== null && { expiresAt: Math.floor(credential.expiresAt / 1e6) }),
    };
  }

  private redeem({ user, credential }: Proof, id: string): Promise<TrustScope> {
    if (credential) throw unauthorized(REJECTED);
    return this.trusts.redeem(id, user);
  }

  /** The scope and the roles in it; a wanted scope without any role is refused. */
  private async grant(proof: Proof, asked: ScopeRequest | 'unscoped' | undefined): Promise<GrantedScope> {
    const { user, credential } = proof;
    if (credential) return this.grantCredential(proof, credential, asked);
    const unscoped: GrantedScope = { enabled: true, roles: [] };
    if (asked === 'unscoped') return unscoped;
    if (asked !== undefined) return usable(await findGrants(this.db, user.id, asked));
    if (user.default_project_id === null) return unscoped;
    // A default project that has gone or been closed does not keep its user out.
    const usual = await findGrants(this.db, user.id, { kind: 'project', id: user.default_project_id });
    return usual?.enabled && usual.roles.length > 0 ? usual : unscoped;
  }

  private async grantCredential({ user }: Proof, credential: UsedCredential, asked: ScopeRequest | 'unscoped' | undefined): Promise<GrantedScope> {
    const own: ScopeRequest = { kind: 'project', id: credential.projectId };
    if (asked !== undefined && (asked === 'unscoped' || asked.kind !== 'project' || (asked.id !== undefined && asked.id !== own.id))) throw unauthorized(REJECTED);
    const granted = usable(await findGrants(this.db, user.id, own));
    if (asked !== undefined && asked.id === undefined && asked.name !== granted.project?.name) throw unauthorized(REJECTED);
    const roles = granted.roles.filter(({ id }) => credential.roleIds.has(id));
    return usable({ ...granted, roles });
  }
}

function usable(scope: GrantedScope | undefined): GrantedScope {
  if (!scope?.enabled || scope.roles.length === 0) throw unauthorized(REJECTED);
  return scope;
}

function combine(one: Proof, other: Proof): Proof {
  if (one.credential || other.credential) throw new CloudError('unauthorized', REJECTED);
  const ends = [one.expiresAt, other.expiresAt].filter((end) => end !== undefined);
  const origin = one.origin ?? other.origin;
  return {
    user: one.user,
    methods: [...new Set([...one.methods, ...other.methods])],
    ...(ends.length > 0 && { expiresAt: Math.min(...ends) }),
    ...(origin !== undefined && { origin }),
  };
}
