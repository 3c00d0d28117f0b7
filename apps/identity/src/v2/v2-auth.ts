import { Type, type Static } from '@sinclair/typebox';
import type { TokenClaims } from '@virga/contracts';
import { badRequest } from '@virga/core';
import type { AuthRequest } from '../auth/auth-request';
import type { CatalogEntry } from '../catalog/catalog';

/** Users and projects of v2.0 live in the default domain. */
export const V2_DOMAIN = 'default';

const Text = Type.String({ maxLength: 255 });
export const V2AuthRequest = Type.Object({
  auth: Type.Object({
    passwordCredentials: Type.Optional(Type.Object({ username: Type.Optional(Text), userId: Type.Optional(Text), password: Type.String() })),
    token: Type.Optional(Type.Object({ id: Type.String() })),
    tenantName: Type.Optional(Type.Union([Text, Type.Null()])),
    tenantId: Type.Optional(Type.Union([Text, Type.Null()])),
  }),
});
export type V2AuthRequest = Static<typeof V2AuthRequest>;

const malformed = (what: string) => badRequest(
  `Expecting to find ${what}. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.`);

/** The same request in v3's words; empty names of tenants count as none, as older clients send them. */
export function toV3Auth({ auth: { passwordCredentials: credentials, token, tenantName, tenantId } }: V2AuthRequest): AuthRequest {
  if (credentials && token) throw malformed('either passwordCredentials or token in auth');
  if (!credentials && !token) throw malformed('passwordCredentials or token in auth');
  if (tenantName && tenantId) throw malformed('either tenantId or tenantName in auth');
  if (credentials && (credentials.username === undefined) === (credentials.userId === undefined)) throw malformed('username or userId in passwordCredentials');
  const domain = { id: V2_DOMAIN };
  return {
    auth: {
      identity: token ? { methods: ['token'], token } : {
        methods: ['password'],
        password: { user: { password: credentials!.password, ...(credentials!.userId !== undefined ? { id: credentials!.userId } : { name: credentials!.username!, domain }) } },
      },
      ...(tenantId ? { scope: { project: { id: tenantId } } } : tenantName ? { scope: { project: { name: tenantName, domain } } } : {}),
    },
  };
}

/** Whether a token can be told in v2.0: it knows one domain, projects, and neither trusts nor limits on requests. */
export const isTellable = ({ user, project, domain, system, trust, access_rules: rules }: TokenClaims): boolean =>
  user.domain.id === V2_DOMAIN && domain === undefined && !system && !trust && !rules && (project === undefined || project.domain.id === V2_DOMAIN);

const seconds = (milliseconds: number): string => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;

/** The catalog by service and region, a column for each interface. */
export function v2Catalog(catalog: CatalogEntry[]) {
  return catalog.map(({ type, name, endpoints }) => {
    const regions = new Map<string | null, Record<string, string | null>>();
    for (const { id, interface: face, url, region } of endpoints) {
      const entry = regions.get(region) ?? { region, id };
      entry[`${face}URL`] = url;
      regions.set(region, entry);
    }
    return { type, name, endpoints: [...regions.values()], endpoints_links: [] };
  });
}

export interface Tenant { id: string; name: string; description: string | null; enabled: boolean }

/** `{access: ...}`: token, user, roles and catalog. */
export function accessView(token: string, claims: TokenClaims, tenant: Tenant | undefined, catalog: CatalogEntry[]) {
  return {
    access: {
      token: { id: token, issued_at: new Date(Math.round(claims.iat * 1000)).toISOString(), expires: seconds(claims.exp * 1000), audit_ids: claims.aud_ids, ...(tenant && { tenant }) },
      user: { id: claims.sub, name: claims.user.name, username: claims.user.name, roles: tenant ? claims.roles.map(({ name }) => ({ name })) : [], roles_links: [] },
      metadata: { is_admin: 0, roles: tenant ? claims.roles.map(({ id }) => id) : [] },
      serviceCatalog: tenant ? v2Catalog(catalog) : [],
    },
  };
}
