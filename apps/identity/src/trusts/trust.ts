import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { admin, either, owner, type Policies, type PolicyCheck } from '@virga/rest';
import { selfLink } from '../collection/list';
import { systemReader } from '../collection/personas';
import { parseObject } from '../collection/rows';
import { NullableId } from '../collection/schema-parts';
import type { TrustRow } from '../db/delegation-tables';
import type { Db, RoleRow } from '../db/tables';
import { roleView } from '../roles/role';

/** The target's user is the trustor; the trustee counts as its owner where both may look. */
const reads: PolicyCheck = either(admin, systemReader, owner);
export const trustPolicies: Policies = {
  'identity:list_trusts': { check: either(admin, systemReader), description: 'List all trusts.' },
  'identity:list_trusts_for_trustor': { check: reads, description: 'List the trusts that a user has given; everyone their own.' },
  'identity:list_trusts_for_trustee': { check: reads, description: 'List the trusts that a user was given; everyone their own.' },
  'identity:get_trust': { check: reads, description: 'Show a trust: trustor and trustee.' },
  'identity:list_roles_for_trust': { check: reads, description: 'List the roles of a trust: trustor and trustee.' },
  'identity:get_role_for_trust': { check: reads, description: 'Show a role of a trust: trustor and trustee.' },
  'identity:create_trust': { check: owner, description: 'Give a trust in the own name.' },
  'identity:delete_trust': { check: either(admin, owner), description: 'End a trust: the trustor.' },
};

const UserId = Type.String({ minLength: 1, maxLength: 64 });
const RoleReference = Type.Object({ id: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })), name: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })) }, { minProperties: 1 });
export const TrustCreate = Type.Object({
  trust: Type.Object({
    trustor_user_id: UserId,
    trustee_user_id: UserId,
    impersonation: Type.Boolean(),
    project_id: Type.Optional(NullableId),
    expires_at: Type.Optional(Type.Union([Type.String({ maxLength: 64 }), Type.Null()])),
    remaining_uses: Type.Optional(Type.Union([Type.Integer({ minimum: 1, maximum: 2147483647 }), Type.Null()])),
    roles: Type.Optional(Type.Array(RoleReference, { maxItems: 200 })),
    redelegation_count: Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.Null()])),
    allow_redelegation: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  }),
});
export type TrustCreate = Static<typeof TrustCreate>;
export const TRUST_ATTRIBUTES = Object.keys(TrustCreate.properties.trust.properties);

export const isAlive = (trust: Pick<TrustRow, 'expires_at' | 'remaining_uses'>): boolean =>
  (trust.expires_at === null || Number(trust.expires_at) > Date.now() * 1000) && trust.remaining_uses !== 0;

export const rolesOfTrust = (db: Db, id: string): Promise<RoleRow[]> =>
  db.selectFrom('trust_roles').innerJoin('roles', 'roles.id', 'trust_roles.role_id').selectAll('roles').where('trust_roles.trust_id', '=', id).orderBy('roles.name').execute();

/** Times of trusts end in Z. */
const expiryView = (expiresAt: number): string =>
  `${new Date(Math.floor(expiresAt / 1e6) * 1000).toISOString().slice(0, 19)}.${String(expiresAt % 1e6).padStart(6, '0')}Z`;

/** A trust; in lists without its roles. */
export const trustView = (row: TrustRow, request: FastifyRequest, roles?: RoleRow[]) => ({
  ...parseObject(row.extra),
  id: row.id,
  trustor_user_id: row.trustor_user_id,
  trustee_user_id: row.trustee_user_id,
  project_id: row.project_id,
  impersonation: Boolean(row.impersonation),
  expires_at: row.expires_at === null ? null : expiryView(Number(row.expires_at)),
  deleted_at: null,
  remaining_uses: row.remaining_uses,
  redelegation_count: 0,
  ...(roles && {
    roles: roles.map((role) => roleView(role, request)),
    roles_links: { ...selfLink(request, `OS-TRUST/trusts/${row.id}/roles`), next: null, previous: null },
  }),
  links: selfLink(request, `OS-TRUST/trusts/${row.id}`),
});
