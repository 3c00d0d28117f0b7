import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { badRequest } from '@virga/core';
import { accessRuleView, AccessRuleReference } from '../access-rules/access-rule';
import { selfLink } from '../collection/list';
import { parseObject } from '../collection/rows';
import { Description, Name255 } from '../collection/schema-parts';
import type { AccessRuleRow } from '../db/delegation-tables';
import type { ApplicationCredentialRow, Exec, RoleRow } from '../db/tables';

const RoleReference = Type.Object({ id: Type.Optional(Type.String({ maxLength: 64 })), name: Type.Optional(Type.String({ maxLength: 255 })) });
export const CredentialCreate = Type.Object({
  application_credential: Type.Object({
    name: Name255,
    secret: Type.Optional(Type.Union([Type.String({ minLength: 1 }), Type.Null()])),
    description: Type.Optional(Description),
    expires_at: Type.Optional(Type.Union([Type.String({ maxLength: 64 }), Type.Null()])),
    roles: Type.Optional(Type.Array(RoleReference, { maxItems: 200 })),
    unrestricted: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
    project_id: Type.Optional(Type.String({ maxLength: 64 })),
    access_rules: Type.Optional(Type.Array(AccessRuleReference, { maxItems: 100 })),
  }, { additionalProperties: false }),
});
export type CredentialCreate = Static<typeof CredentialCreate>;

/** Microseconds since the epoch of an ISO 8601 time, in UTC when it names no zone. 400 for what is none, or past. */
export function readExpiry(text: string | null | undefined, now: number): number | null {
  if (text === null || text === undefined) return null;
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  const time = match ? Date.parse(`${match[1]}T${match[2]}${match[4] ?? 'Z'}`) : NaN;
  if (Number.isNaN(time)) throw badRequest(`Invalid input for field 'expires_at': ${JSON.stringify(text.slice(0, 64))} is not a time in ISO 8601.`);
  if (time <= now) throw badRequest("Invalid application credential: expires_at must be in the future.");
  return time * 1000 + Number((match![3] ?? '.').slice(1, 7).padEnd(6, '0'));
}

/** The same without a zone, as keystone shows it. */
const expiryView = (expiresAt: number): string =>
  `${new Date(Math.floor(expiresAt / 1e6) * 1000).toISOString().slice(0, 19)}.${String(expiresAt % 1e6).padStart(6, '0')}`;

export const credentialView = (row: Omit<ApplicationCredentialRow, 'secret_hash'>, parts: { roles: RoleRow[]; rules: AccessRuleRow[] | undefined }, request: FastifyRequest, secret?: string) => ({
  id: row.id,
  name: row.name,
  description: row.description,
  user_id: row.user_id,
  project_id: row.project_id,
  system: null,
  expires_at: row.expires_at === null ? null : expiryView(Number(row.expires_at)),
  unrestricted: Boolean(row.unrestricted),
  roles: parts.roles.map((role) => ({
    id: role.id, name: role.name, domain_id: role.domain_id === '' ? null : role.domain_id, description: role.description, options: parseObject(role.options),
  })),
  ...(parts.rules && { access_rules: parts.rules.map(accessRuleView) }),
  ...(secret !== undefined && { secret }),
  links: selfLink(request, `application_credentials/${row.id}`),
});

/** Roles of many credentials in one statement. */
export async function rolesOfCredentials(db: Exec, ids: string[]): Promise<Map<string, RoleRow[]>> {
  const found = new Map<string, RoleRow[]>(ids.map((id) => [id, []]));
  if (ids.length === 0) return found;
  const rows = await db.selectFrom('application_credential_roles as c').innerJoin('roles', 'roles.id', 'c.role_id').selectAll('roles').select('c.application_credential_id')
    .where('c.application_credential_id', 'in', ids).orderBy('roles.name').execute();
  for (const { application_credential_id, ...role } of rows) found.get(application_credential_id)!.push(role);
  return found;
}
