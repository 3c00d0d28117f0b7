import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Req } from '@nestjs/common';
import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { newHexId } from '@virga/core';
import { admin, Authorize, ValidBody, ValidQuery, type Policies } from '@virga/rest';
import { envelope, listRows, selfLink, type ListSpec, type Query } from '../collection/list';
import { adminOrSystemReader } from '../collection/personas';
import { checkSameId, defined, extraOf, findRow, mergedExtra, missing, parseObject } from '../collection/rows';
import { AnyQuery, Name255 } from '../collection/schema-parts';
import type { PolicyDocumentRow } from '../db/delegation-tables';
import type { Db } from '../db/tables';
import { CONFIG, DATABASE, type Settings } from '../injection';

export const policyDocumentPolicies: Policies = {
  'identity:list_policies': { check: adminOrSystemReader, description: 'List policy documents.' },
  'identity:get_policy': { check: adminOrSystemReader, description: 'Show a policy document.' },
  'identity:create_policy': { check: admin, description: 'Keep a policy document.' },
  'identity:update_policy': { check: admin, description: 'Change a policy document.' },
  'identity:delete_policy': { check: admin, description: 'Delete a policy document.' },
};

const Blob = Type.String({ maxLength: 100_000, format: 'text' });
const PolicyCreate = Type.Object({ policy: Type.Object({ blob: Blob, type: Name255 }) });
type PolicyCreate = Static<typeof PolicyCreate>;
const PolicyUpdate = Type.Object({ policy: Type.Object({ blob: Type.Optional(Blob), type: Type.Optional(Name255) }, { minProperties: 1 }) });
type PolicyUpdate = Static<typeof PolicyUpdate>;
const ATTRIBUTES = ['blob', 'type'];

const policyList: ListSpec = { table: 'policy_documents', columns: ['id', 'type', 'document', 'extra'], exact: { type: 'type' }, texts: ['type'] };
const policyView = (row: PolicyDocumentRow, request: FastifyRequest) => ({
  ...parseObject(row.extra), id: row.id, type: row.type, blob: row.document, links: selfLink(request, `policies/${row.id}`),
});

/** Documents that other services may keep here, as with keystone; nothing in this cloud is decided by them. */
@Controller('v3/policies')
export class PolicyDocumentsController {
  constructor(@Inject(DATABASE) private readonly db: Db, @Inject(CONFIG) private readonly settings: Settings) {}

  @Get() @Authorize('identity:list_policies')
  async list(@ValidQuery(AnyQuery) query: Query, @Req() request: FastifyRequest) {
    const { rows, next } = await listRows<PolicyDocumentRow>(this.db, policyList, query, this.settings.listLimit);
    return envelope(request, 'policies', rows.map((row) => policyView(row, request)), next);
  }

  @Post() @Authorize('identity:create_policy') @HttpCode(201)
  async create(@ValidBody(PolicyCreate) { policy }: PolicyCreate, @Req() request: FastifyRequest) {
    const row: PolicyDocumentRow = { id: newHexId(), type: policy.type, document: policy.blob, extra: JSON.stringify(extraOf(policy, ATTRIBUTES)) };
    await this.db.insertInto('policy_documents').values(row).execute();
    return { policy: policyView(row, request) };
  }

  @Get(':id') @Authorize('identity:get_policy')
  async show(@Param('id') id: string, @Req() request: FastifyRequest) {
    return { policy: policyView(await findRow<PolicyDocumentRow>(this.db, 'policy_documents', 'policy', id), request) };
  }

  @Patch(':id') @Authorize('identity:update_policy')
  async update(@Param('id') id: string, @ValidBody(PolicyUpdate) { policy }: PolicyUpdate, @Req() request: FastifyRequest) {
    checkSameId('policy', id, policy);
    const row = await findRow<PolicyDocumentRow>(this.db, 'policy_documents', 'policy', id);
    const changed = { ...row, ...defined({ type: policy.type, document: policy.blob }), extra: mergedExtra(row.extra, policy, ATTRIBUTES) };
    await this.db.updateTable('policy_documents').where('id', '=', id).set(changed).execute();
    return { policy: policyView(changed, request) };
  }

  @Delete(':id') @Authorize('identity:delete_policy') @HttpCode(204)
  async delete(@Param('id') id: string): Promise<void> {
    const result = await this.db.deleteFrom('policy_documents').where('id', '=', id).executeTakeFirst();
    if (result.numDeletedRows === 0n) throw missing('policy', id);
  }
}
