import type { TokenClaims } from '@virga/contracts';
import type { CatalogEntry } from '../catalog/catalog';
import type { UsedCredential } from './application-credential-login';

/** Keystone's timestamps have microseconds. */
export const microseconds = (milliseconds: number): string => `${new Date(milliseconds).toISOString().slice(0, -1)}000Z`;

/** The body that goes with a token; keys in the order that OpenStack sends. */
export function tokenView(claims: TokenClaims, catalog: CatalogEntry[] | undefined, credential?: Pick<UsedCredential, 'id' | 'name' | 'unrestricted' | 'accessRules'>): unknown {
  const { project, domain, system, methods, sub, user, roles, trust } = claims;
  const scoped = project !== undefined || domain !== undefined || system === true;
  return {
    token: {
      methods,
      user: { domain: user.domain, id: sub, name: user.name, password_expires_at: null },
      // The last audit id of a credential's or a trust's token is its own and no login's.
      audit_ids: trust || methods.includes('application_credential') ? claims.aud_ids.slice(0, -1) : claims.aud_ids,
      expires_at: microseconds(claims.exp * 1000),
      issued_at: microseconds(Math.round(claims.iat * 1000)),
      ...(project && { project: { domain: project.domain, id: project.id, name: project.name }, is_domain: false }),
      ...(domain && { domain }),
      ...(scoped && { roles }),
      ...(system && { system: { all: true } }),
      ...(scoped && catalog && { catalog }),
      ...(credential && { application_credential: { id: credential.id, name: credential.name, restricted: !credential.unrestricted, ...(claims.access_rules && { access_rules: claims.access_rules }) } }),
      ...(trust && {
        'OS-TRUST:trust': { id: trust.id, impersonation: trust.impersonation, trustor_user: { id: trust.trustor }, trustee_user: { id: trust.trustee } },
      }),
    },
  };
}
