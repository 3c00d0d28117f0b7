import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { RequestContext } from '@virga/core';
import { Authenticated, Authorize, Caller, PolicyEnforcer, ValidBody, ValidQuery } from '@virga/rest';
import { envelope, listRows, type Query } from '../collection/list';
import { checkSameId, findRow, storing } from '../collection/rows';
import { AnyQuery } from '../collection/schema-parts';
import type { Db, DomainRow } from '../db/tables';
import { CONFIG, DATABASE, ENFORCER, type Settings } from '../injection';
import { Revoker } from '../revocations/revoker';
import { DomainCreate, domainList, DomainUpdate, domainView } from './domain';
import { domainTaken, insertDomain, removeDomain, updateDomain } from './write-domain';

@Controller('v3/domains')
export class DomainsController {
  constructor(
    @Inject(DATABASE) private readonly db: Db,
    @Inject(CONFIG) private readonly settings: Settings,
    @Inject(ENFORCER) private readonly policy: PolicyEnforcer,
    @Inject(Revoker) private readonly revoker: Revoker,
  ) {}

  @Get() @Authorize('identity:list_domains')
  async list(@ValidQuery(AnyQuery) query: Query, @Req() request: FastifyRequest) {
    const { rows, next } = await listRows<DomainRow>(this.db, domainList, query, this.settings.listLimit);
    return envelope(request, 'domains', rows.map((row) => domainView(row, request)), next);
  }

  @Post() @Authorize('identity:create_domain') @HttpCode(201)
  async create(@ValidBody(DomainCreate) { domain }: DomainCreate, @Req() request: FastifyRequest) {
    const row = await storing(insertDomain(this.db, domain), domainTaken(domain.name));
    return { domain: domainView(row, request) };
  }

  /** The target decides, so the rule is enforced inside. */
  @Get(':id') @Authenticated()
  async show(@Param('id') id: string, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    this.policy.enforce(caller, 'identity:get_domain', { domainId: id });
    return { domain: domainView(await findRow<DomainRow>(this.db, 'domains', 'domain', id), request) };
  }

  @Patch(':id') @Authorize('identity:update_domain')
  async update(@Param('id') id: string, @ValidBody(DomainUpdate) { domain }: DomainUpdate, @Req() request: FastifyRequest) {
    checkSameId('domain', id, domain);
    await storing(this.revoker.transaction((trx, revoke) => updateDomain(trx, revoke, id, domain)), domainTaken(domain.name ?? ''));
    return { domain: domainView(await findRow<DomainRow>(this.db, 'domains', 'domain', id), request) };
  }

  @Delete(':id') @Authorize('identity:delete_domain') @HttpCode(204)
  async delete(@Param('id') id: string): Promise<void> {
    await this.revoker.transaction((trx, revoke) => removeDomain(trx, revoke, id));
  }
}
