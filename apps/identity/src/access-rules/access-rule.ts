import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { badRequest, newHexId } from '@virga/core';
import { admin, either, owner, type Policies } from '@virga/rest';
import { selfLink } from '../collection/list';
import { systemReader } from '../collection/personas';
import type { AccessRuleRow } from '../db/delegation-tables';
import type { Exec, Trx } from '../db/tables';

export const accessRulePolicies: Policies = {
  'identity:list_access_rules': { check: either(admin, systemReader, owner), description: 'List the access rules of a user; everyone their own.' },
  'identity:get_access_rule': { check: either(admin, systemReader, owner), description: 'Show an access rule; everyone their own.' },
  'identity:delete_access_rule': { check: either(admin, owner), description: 'Delete an access rule that no credential uses; everyone their own.' },
};

/** One rule of a new application credential: a known one by id, or a whole one. */
export const AccessRuleReference = Type.Object({
  id: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  path: Type.Optional(Type.String({ minLength: 0, maxLength: 128, pattern: '^\\/.*', format: 'text' })),
  method: Type.Optional(Type.String({ pattern: '^(POST|GET|HEAD|PATCH|PUT|DELETE)$' })),
  service: Type.Optional(Type.String({ minLength: 1, maxLength: 64, format: 'text' })),
}, { additionalProperties: false });
export type AccessRuleReference = Static<typeof AccessRuleReference>;

export const accessRuleView = ({ id, service, method, path }: AccessRuleRow) => ({ id, path, method, service });
export const accessRuleWithLinks = (row: AccessRuleRow, request: FastifyRequest) => ({ ...accessRuleView(row), links: selfLink(request, `users/${row.user_id}/access_rules/${row.id}`) });

/** The rows that the references mean; rules that the user does not have yet are made. 400 for an unknown id or half a rule. */
export async function resolveAccessRules(trx: Trx, userId: string, references: AccessRuleReference[]): Promise<AccessRuleRow[]> {
  const found: AccessRuleRow[] = [];
  for (const { id, service, method, path } of references) {
    const own = trx.selectFrom('access_rules').selectAll().where('user_id', '=', userId);
    if (id !== undefined) {
      const row = await own.where('id', '=', id).executeTakeFirst();
      if (!row) throw badRequest(`Invalid application credential: Could not find access rule: ${id}.`);
      found.push(row);
      continue;
    }
    if (service === undefined || method === undefined || path === undefined) throw badRequest("Invalid input for field 'access_rules': path, method and service belong together.");
    await trx.insertInto('access_rules').ignore().values({ id: newHexId(), user_id: userId, service, method, path }).execute();
    found.push(await own.where('service', '=', service).where('method', '=', method).where('path', '=', path).executeTakeFirstOrThrow());
  }
  return [...new Map(found.map((row) => [row.id, row])).values()];
}

/** Access rules of many credentials in one statement; a credential without any is not in it. */
export async function accessRulesOf(db: Exec, credentialIds: string[]): Promise<Map<string, AccessRuleRow[]>> {
  const found = new Map<string, AccessRuleRow[]>();
  if (credentialIds.length === 0) return found;
  const rows = await db.selectFrom('application_credential_access_rules as c').innerJoin('access_rules', 'access_rules.id', 'c.access_rule_id')
    .selectAll('access_rules').select('c.application_credential_id').where('c.application_credential_id', 'in', credentialIds).orderBy('access_rules.id').execute();
  for (const { application_credential_id: credential, ...row } of rows) found.set(credential, [...(found.get(credential) ?? []), row]);
  return found;
}
