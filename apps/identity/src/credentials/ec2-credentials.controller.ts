import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { forbidden, newHexId, type RequestContext } from '@virga/core';
import { Authenticated, Caller, PolicyEnforcer, ValidBody } from '@virga/rest';
import { envelope, selfLink } from '../collection/list';
import { findRow, missing } from '../collection/rows';
import type { CredentialRow } from '../db/delegation-tables';
import type { Db } from '../db/tables';
import { DATABASE, ENFORCER, SEAL_KEY } from '../injection';
import { findGrants } from '../role-assignments/grants';
import { seal, unseal } from '../tokens/sealed';
import { refuseDelegated } from '../trusts/refuse-delegated';
import { ec2Id } from './credential';

const Create = Type.Object({ tenant_id: Type.String({ minLength: 1, maxLength: 64 }) });
type Create = Static<typeof Create>;

/** Pairs of access key and secret for tools that sign as EC2's do. Rules depend on whose, so they are enforced inside. */
@Controller('v3/users/:userId/credentials/OS-EC2') @Authenticated()
export class Ec2CredentialsController {
  constructor(@Inject(DATABASE) private readonly db: Db, @Inject(ENFORCER) private readonly policy: PolicyEnforcer, @Inject(SEAL_KEY) private readonly sealKey: Buffer) {}

  @Get()
  async list(@Param('userId') userId: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    this.policy.enforce(caller, 'identity:ec2_list_credentials', { userId });
    await findRow(this.db, 'users', 'user', userId);
    const rows = await this.db.selectFrom('credentials').selectAll().where('user_id', '=', userId).where('type', '=', 'ec2').orderBy('id').execute();
    return envelope(request, 'credentials', rows.map((row) => this.view(row, request)));
  }

  @Post() @HttpCode(201)
  async create(@Param('userId') userId: string, @ValidBody(Create) { tenant_id: projectId }: Create, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    this.policy.enforce(caller, 'identity:ec2_create_credential', { userId });
    refuseDelegated(caller, 'identity:ec2_create_credential');
    await findRow(this.db, 'users', 'user', userId);
    await findRow(this.db, 'projects', 'project', projectId);
    if (!(await findGrants(this.db, userId, { kind: 'project', id: projectId }))?.roles.length) throw forbidden('You are not authorized to perform the requested action: identity:ec2_create_credential.');
    const [access, secret] = [newHexId(), newHexId()];
    const id = ec2Id(access);
    const row: CredentialRow = {
      id, user_id: userId, project_id: projectId, type: 'ec2', blob_sealed: seal(this.sealKey, id, JSON.stringify({ access, secret, trust_id: null })), extra: '{}',
    };
    await this.db.insertInto('credentials').values(row).execute();
    return { credential: this.view(row, request) };
  }

  @Get(':access')
  async show(@Param('userId') userId: string, @Param('access') access: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    this.policy.enforce(caller, 'identity:ec2_get_credential', { userId });
    return { credential: this.view(await this.find(userId, access), request) };
  }

  @Delete(':access') @HttpCode(204)
  async delete(@Param('userId') userId: string, @Param('access') access: string, @Caller() caller: RequestContext): Promise<void> {
    this.policy.enforce(caller, 'identity:ec2_delete_credential', { userId });
    refuseDelegated(caller, 'identity:ec2_delete_credential');
    await this.db.deleteFrom('credentials').where('id', '=', (await this.find(userId, access)).id).execute();
  }

  private async find(userId: string, access: string): Promise<CredentialRow> {
    const row = await this.db.selectFrom('credentials').selectAll().where('id', '=', ec2Id(access)).where('user_id', '=', userId).where('type', '=', 'ec2').executeTakeFirst();
    if (!row) throw missing('credential', access);
    return row;
  }

  private view(row: CredentialRow, request: FastifyRequest) {
    const { access, secret, trust_id = null } = JSON.parse(unseal(this.sealKey, row.id, row.blob_sealed)) as { access: string; secret?: string; trust_id?: string | null };
    return { user_id: row.user_id, tenant_id: row.project_id, access, secret: secret ?? null, trust_id, links: selfLink(request, `users/${row.user_id}/credentials/OS-EC2/${access}`) };
  }
}
