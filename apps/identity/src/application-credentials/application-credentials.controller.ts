import { randomBytes } from 'node:crypto';
import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { badRequest, forbidden, newHexId, type NamedRef, type RequestContext } from '@virga/core';
import { inTransaction, sql } from '@virga/db';
import { Authenticated, Caller, PolicyEnforcer, ValidBody, ValidQuery } from '@virga/rest';
import { accessRulesOf, resolveAccessRules } from '../access-rules/access-rule';
import { ApplicationCredentialLogin, type UsedCredential } from '../auth/application-credential-login';
import { envelope, listRows, type ListSpec, type Query } from '../collection/list';
import { findRow, missing, storing } from '../collection/rows';
import { AnyQuery } from '../collection/schema-parts';
import type { ApplicationCredentialRow, Db } from '../db/tables';
import { CONFIG, DATABASE, ENFORCER, type Settings } from '../injection';
import { PasswordHasher } from '../passwords/password-hash';
import { findGrants } from '../role-assignments/grants';
import { Revoker } from '../revocations/revoker';
import { readClaims } from '../tokens/read-claims';
import { CredentialCreate, credentialView, readExpiry, rolesOfCredentials } from './application-credential';

type VisibleCredential = Omit<ApplicationCredentialRow, 'secret_hash'>;
const credentialList: ListSpec = {
  table: 'application_credentials', columns: ['id', 'user_id', 'project_id', 'name', 'description', 'expires_at', 'unrestricted'], exact: { name: 'name' }, texts: ['name'],
};
const NOUN = 'Application Credential';

/** The rule needs the user of the path, so it is enforced inside. */
@Controller('v3/users/:userId/application_credentials') @Authenticated()
export class ApplicationCredentialsController {
  constructor(
    @Inject(DATABASE) private readonly db: Db,
    @Inject(CONFIG) private readonly settings: Settings,
    @Inject(ENFORCER) private readonly policy: PolicyEnforcer,
    @Inject(PasswordHasher) private readonly hasher: PasswordHasher,
    @Inject(Revoker) private readonly revoker: Revoker,
    @Inject(ApplicationCredentialLogin) private readonly credentials: ApplicationCredentialLogin,
  ) {}

  @Get()
  async list(@Param('userId') userId: string, @ValidQuery(AnyQuery) query: Query, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    this.policy.enforce(caller, 'identity:list_application_credentials', { userId });
    const { rows, next } = await listRows<VisibleCredential>(this.db, credentialList, query, this.settings.listLimit, [sql`application_credentials.user_id = ${userId}`]);
    const ids = rows.map(({ id }) => id);
    const [roles, rules] = await Promise.all([rolesOfCredentials(this.db, ids), accessRulesOf(this.db, ids)]);
    return envelope(request, 'application_credentials', rows.map((row) => credentialView(row, { roles: roles.get(row.id)!, rules: rules.get(row.id) }, request)), next);
  }

  @Post() @HttpCode(201)
  async create(@Param('userId') userId: string, @ValidBody(CredentialCreate) body: CredentialCreate, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    const given = body.application_credential;
    this.policy.enforce(caller, 'identity:create_application_credential', { userId });
    const ownCredential = await this.refuseRestricted(caller, 'identity:create_application_credential');
    if (!caller.project || (given.project_id !== undefined && given.project_id !== caller.project.id)) throw badRequest('An application credential is for the project of the token that creates it.');
    // A role that was given after the token was issued counts; what a credential was not given does not.
    const held = (await findGrants(this.db, userId, { kind: 'project', id: caller.project.id }))?.roles ?? [];
    const roles = chosenRoles(given.roles, caller, ownCredential ? held.filter(({ id }) => ownCredential.roleIds.has(id)) : held);
    const secret = given.secret ?? randomBytes(64).toString('base64url');
    const row: ApplicationCredentialRow = {
      id: newHexId(), user_id: userId, project_id: caller.project.id, name: given.name, description: given.description ?? null,
      secret_hash: await this.hasher.hash(secret), expires_at: readExpiry(given.expires_at, Date.now()), unrestricted: given.unrestricted ?? false,
    };
    await storing(inTransaction(this.db, async (trx) => {
      await trx.insertInto('application_credentials').values(row).execute();
      await trx.insertInto('application_credential_roles').values(roles.map(({ id }) => ({ application_credential_id: row.id, role_id: id }))).execute();
      const rules = await resolveAccessRules(trx, userId, given.access_rules ?? []);
      if (rules.length > 0) await trx.insertInto('application_credential_access_rules').values(rules.map(({ id }) => ({ application_credential_id: row.id, access_rule_id: id }))).execute();
    }), `Conflict occurred attempting to store application_credential - Duplicate entry found with name ${given.name}.`);
    return { application_credential: credentialView(row, await this.parts(row.id), request, secret) };
  }

  @Get(':id')
  async show(@Param('userId') userId: string, @Param('id') id: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    this.policy.enforce(caller, 'identity:get_application_credential', { userId });
    const row = await findRow<ApplicationCredentialRow>(this.db, 'application_credentials', NOUN, id);
    if (row.user_id !== userId) throw missing(NOUN, id);
    return { application_credential: credentialView(row, await this.parts(id), request) };
  }

  @Delete(':id') @HttpCode(204)
  async delete(@Param('userId') userId: string, @Param('id') id: string, @Caller() caller: RequestContext): Promise<void> {
    this.policy.enforce(caller, 'identity:delete_application_credential', { userId });
    await this.refuseRestricted(caller, 'identity:delete_application_credential');
    await this.revoker.transaction(async (trx, revoke) => {
      const result = await trx.deleteFrom('application_credentials').where('id', '=', id).where('user_id', '=', userId).executeTakeFirst();
      if (result.numDeletedRows === 0n) throw missing(NOUN, id);
      // Every token made from it carries its id as last audit id.
      revoke({ auditId: id });
    });
  }

  private async parts(id: string) {
    const [roles, rules] = await Promise.all([rolesOfCredentials(this.db, [id]), accessRulesOf(this.db, [id])]);
    return { roles: roles.get(id)!, rules: rules.get(id) };
  }

  /** A credential that is not `unrestricted` makes no credentials and removes none. Returns the one that the token was made from. */
  private async refuseRestricted(caller: RequestContext, rule: string): Promise<UsedCredential | undefined> {
    if (caller.trust) throw forbidden(`You are not authorized to perform the requested action: ${rule}.`);
    const claims = readClaims(caller.token);
    if (!claims.methods.includes('application_credential')) return undefined;
    const credential = await this.credentials.find(claims.aud_ids.at(-1)!);
    if (!credential?.unrestricted) throw forbidden(`You are not authorized to perform the requested action: ${rule}.`);
    return credential;
  }
}

/** The roles asked for, each of which must be held; without any, all of the token's. */
function chosenRoles(asked: { id?: string; name?: string }[] | undefined, caller: RequestContext, held: NamedRef[]): NamedRef[] {
  if (!asked || asked.length === 0) return caller.roles;
  const chosen = asked.map(({ id, name }) => {
    const role = held.find((candidate) => (id !== undefined ? candidate.id === id : candidate.name === name));
    if (!role) {
      throw badRequest(`Invalid application credential: Could not find role assignment with role: ${(id ?? name ?? '').slice(0, 255)}, user or group: ${caller.user.id}, project, domain, or system: ${caller.project!.id}.`);
    }
    return role;
  });
  return [...new Map(chosen.map((role) => [role.id, role])).values()];
}
