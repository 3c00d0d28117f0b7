import { randomBytes } from 'node:crypto';
import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Req } from '@nestjs/common';
import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { badRequest, newHexId } from '@virga/core';
import { admin, Authorize, ValidBody, ValidQuery, type Policies } from '@virga/rest';
import { envelope, listRows, selfLink, type ListSpec, type Query } from '../collection/list';
import { adminOrSystemReader } from '../collection/personas';
import { checkSameId, extraOf, findRow, mergedExtra, missing, parseObject } from '../collection/rows';
import { AnyQuery, Description } from '../collection/schema-parts';
import type { OauthConsumerRow } from '../db/delegation-tables';
import type { Db } from '../db/tables';
import { CONFIG, DATABASE, SEAL_KEY, type Settings } from '../injection';
import { seal } from '../tokens/sealed';

export const oauthConsumerPolicies: Policies = {
  'identity:list_consumers': { check: adminOrSystemReader, description: 'List OAuth consumers.' },
  'identity:get_consumer': { check: adminOrSystemReader, description: 'Show an OAuth consumer, without its secret.' },
  'identity:create_consumer': { check: admin, description: 'Register an OAuth consumer.' },
  'identity:update_consumer': { check: admin, description: 'Change the description of an OAuth consumer.' },
  'identity:delete_consumer': { check: admin, description: 'Delete an OAuth consumer.' },
};

const Consumer = Type.Object({ consumer: Type.Object({ description: Type.Optional(Description) }) });
type Consumer = Static<typeof Consumer>;
const ATTRIBUTES = ['description', 'secret'];
const consumerList: ListSpec = { table: 'oauth_consumers', columns: ['id', 'description', 'extra'], exact: {} };
const consumerView = (row: Omit<OauthConsumerRow, 'secret_sealed'>, request: FastifyRequest, secret?: string) => ({
  ...parseObject(row.extra), id: row.id, description: row.description, ...(secret !== undefined && { secret }), links: selfLink(request, `OS-OAUTH1/consumers/${row.id}`),
});

/** Consumers of OAuth 1: registered here; the secret is shown once. */
@Controller('v3/OS-OAUTH1/consumers')
export class OauthConsumersController {
  constructor(@Inject(DATABASE) private readonly db: Db, @Inject(CONFIG) private readonly settings: Settings, @Inject(SEAL_KEY) private readonly sealKey: Buffer) {}

  @Get() @Authorize('identity:list_consumers')
  async list(@ValidQuery(AnyQuery) query: Query, @Req() request: FastifyRequest) {
    const { rows, next } = await listRows<OauthConsumerRow>(this.db, consumerList, query, this.settings.listLimit);
    return envelope(request, 'consumers', rows.map((row) => consumerView(row, request)), next);
  }

  @Post() @Authorize('identity:create_consumer') @HttpCode(201)
  async create(@ValidBody(Consumer) { consumer }: Consumer, @Req() request: FastifyRequest) {
    const [id, secret] = [newHexId(), randomBytes(32).toString('hex')];
    const row: OauthConsumerRow = { id, description: consumer.description ?? null, secret_sealed: seal(this.sealKey, id, secret), extra: JSON.stringify(extraOf(consumer, ATTRIBUTES)) };
    await this.db.insertInto('oauth_consumers').values(row).execute();
    return { consumer: consumerView(row, request, secret) };
  }

  @Get(':id') @Authorize('identity:get_consumer')
  async show(@Param('id') id: string, @Req() request: FastifyRequest) {
    return { consumer: consumerView(await findRow<OauthConsumerRow>(this.db, 'oauth_consumers', 'Consumer', id), request) };
  }

  @Patch(':id') @Authorize('identity:update_consumer')
  async update(@Param('id') id: string, @ValidBody(Consumer) { consumer }: Consumer, @Req() request: FastifyRequest) {
    checkSameId('consumer', id, consumer);
    if (Object.hasOwn(consumer, 'secret')) throw badRequest('Cannot update Consumer secret');
    const row = await findRow<OauthConsumerRow>(this.db, 'oauth_consumers', 'Consumer', id);
    const changed = { ...row, ...(consumer.description !== undefined && { description: consumer.description }), extra: mergedExtra(row.extra, consumer, ATTRIBUTES) };
    await this.db.updateTable('oauth_consumers').where('id', '=', id).set(changed).execute();
    return { consumer: consumerView(changed, request) };
  }

  @Delete(':id') @Authorize('identity:delete_consumer') @HttpCode(204)
  async delete(@Param('id') id: string): Promise<void> {
    const result = await this.db.deleteFrom('oauth_consumers').where('id', '=', id).executeTakeFirst();
    if (result.numDeletedRows === 0n) throw missing('Consumer', id);
  }
}
