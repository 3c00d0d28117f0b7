import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { badRequest, type RequestContext } from '@virga/core';
import { sql } from '@virga/db';
import { Authenticated, Caller, PolicyEnforcer, ValidBody, ValidQuery } from '@virga/rest';
import { allowedRow } from '../collection/allowed-row';
import { envelope, listRows, single, type Query } from '../collection/list';
import { checkSameId, defined, extraOf, findRow, mergedExtra, storing } from '../collection/rows';
import { AnyQuery } from '../collection/schema-parts';
import type { CredentialRow } from '../db/delegation-tables';
import type { Db } from '../db/tables';
import { CONFIG, DATABASE, ENFORCER, SEAL_KEY, type Settings } from '../injection';
import { seal, unseal } from '../tokens/sealed';
import { refuseDelegated } from '../trusts/refuse-delegated';
import { CREDENTIAL_ATTRIBUTES, CredentialCreate, credentialId, credentialList, CredentialUpdate, credentialView } from './credential';

/** Secrets that users keep here (EC2 keys, certificates, one-time-password seeds). Rules depend on whose, so they are enforced inside. */
@Controller('v3/credentials') @Authenticated()
export class CredentialsController {
  constructor(
    @Inject(DATABASE) private readonly db: Db,
    @Inject(CONFIG) private readonly settings: Settings,
    @Inject(ENFORCER) private readonly policy: PolicyEnforcer,
    @Inject(SEAL_KEY) private readonly sealKey: Buffer,
  ) {}

  @Get()
  async list(@ValidQuery(AnyQuery) query: Query, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    // Who may not see all sees their own of what was asked for.
    const all = this.policy.allows(caller, 'identity:list_credentials', { userId: single(query['user_id']) });
    const own = all && (caller.user.id !== single(query['user_id'])) ? [] : [sql`credentials.user_id = ${caller.user.id}`];
    const { rows, next } = await listRows<CredentialRow>(this.db, credentialList, query, this.settings.listLimit, own);
    return envelope(request, 'credentials', rows.map((row) => credentialView(row, this.sealKey, request)), next);
  }

  @Post() @HttpCode(201)
  async create(@ValidBody(CredentialCreate) { credential }: CredentialCreate, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    const userId = credential.user_id ?? caller.user.id;
    this.policy.enforce(caller, 'identity:create_credential', { userId });
    refuseDelegated(caller, 'identity:create_credential');
    if (credential.type === 'ec2' && !credential.project_id) throw badRequest('Invalid input for field "project_id": an EC2 credential needs a project.');
    const id = credentialId(credential.type, credential.blob);
    await findRow(this.db, 'users', 'user', userId);
    if (credential.project_id) await findRow(this.db, 'projects', 'project', credential.project_id);
    const row: CredentialRow = {
      id, user_id: userId, project_id: credential.project_id ?? null, type: credential.type, blob_sealed: seal(this.sealKey, id, credential.blob),
      extra: JSON.stringify(extraOf(credential, CREDENTIAL_ATTRIBUTES)),
    };
    await storing(this.db.insertInto('credentials').values(row).execute(), 'Conflict occurred attempting to store credential - Duplicate entry.');
    return { credential: credentialView(row, this.sealKey, request) };
  }

  @Get(':id')
  async show(@Param('id') id: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    return { credential: credentialView(await this.allowed(caller, 'identity:get_credential', id), this.sealKey, request) };
  }

  @Patch(':id')
  async update(@Param('id') id: string, @ValidBody(CredentialUpdate) { credential }: CredentialUpdate, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    const row = await this.allowed(caller, 'identity:update_credential', id);
    refuseDelegated(caller, 'identity:update_credential');
    checkSameId('credential', id, credential);
    // Given to another user it would be a key to that user's account.
    if (credential.user_id !== undefined && credential.user_id !== row.user_id) this.policy.enforce(caller, 'identity:update_credential', { userId: credential.user_id });
    const type = credential.type ?? row.type;
    if (type === 'ec2') credentialId(type, credential.blob ?? unseal(this.sealKey, id, row.blob_sealed));
    for (const [table, noun, reference] of [['users', 'user', credential.user_id], ['projects', 'project', credential.project_id]] as const) {
      if (reference) await findRow(this.db, table, noun, reference);
    }
    const changed: CredentialRow = {
      ...row, type, ...defined({ user_id: credential.user_id, project_id: credential.project_id }),
      ...(credential.blob !== undefined && { blob_sealed: seal(this.sealKey, id, credential.blob) }), extra: mergedExtra(row.extra, credential, CREDENTIAL_ATTRIBUTES),
    };
    await storing(this.db.updateTable('credentials').where('id', '=', id).set(changed).execute(), '');
    return { credential: credentialView(changed, this.sealKey, request) };
  }

  @Delete(':id') @HttpCode(204)
  async delete(@Param('id') id: string, @Caller() caller: RequestContext): Promise<void> {
    await this.allowed(caller, 'identity:delete_credential', id);
    refuseDelegated(caller, 'identity:delete_credential');
    await this.db.deleteFrom('credentials').where('id', '=', id).execute();
  }

  private allowed(caller: RequestContext, rule: string, id: string): Promise<CredentialRow> {
    return allowedRow<CredentialRow>(this.db, this.policy, caller, rule, { table: 'credentials', noun: 'credential', id, target: ({ user_id: userId }) => ({ userId }) });
  }
}
