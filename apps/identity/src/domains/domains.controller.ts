import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { forbidden, newHexId, type RequestContext } from '@virga/core';
import { Authenticated, Authorize, Caller, PolicyEnforcer, ValidBody, ValidQuery } from '@virga/rest';
import { envelope, listRows, type Query } from '../collection/list';
import { checkSameId, defined, extraOf, findRow, isImmutable, mergedExtra, mergedOptions, storing } from '../collection/rows';
import { AnyQuery } from '../collection/schema-parts';
import type { Db, DomainRow } from '../db/tables';
import { CONFIG, DATABASE, ENFORCER, type Settings } from '../injection';
import { Revoker } from '../revocations/revoker';
import { deleteDomain } from './delete-domain';
import { DOMAIN_ATTRIBUTES, DomainCreate, domainList, DomainUpdate, domainView } from './domain';

const taken = (name: string) => `Conflict occurred attempting to store project - it is not permitted to have two projects acting as domains with the same name: ${name}.`;

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
    const row: DomainRow = {
      id: domain.explicit_domain_id ?? newHexId(), name: domain.name, description: domain.description ?? '', enabled: domain.enabled ?? true,
      tags: JSON.stringify(domain.tags ?? []), options: mergedOptions('{}', domain.options),
      extra: JSON.stringify(extraOf(domain, [...DOMAIN_ATTRIBUTES, 'explicit_domain_id'])),
    };
    await storing(this.db.insertInto('domains').values(row).execute(), taken(domain.name));
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
    const work = this.revoker.transaction(async (trx, revoke) => {
      const row = await findRow<DomainRow>(trx, 'domains', 'domain', id);
      if (isImmutable(row.options) && domain.options?.immutable !== false) {
        throw forbidden(`Unable to update immutable domain resource: \`${id}. Set resource option "immutable" to false first.`);
      }
      await trx.updateTable('domains').where('id', '=', id).set({
        ...defined({ name: domain.name, enabled: domain.enabled, ...(domain.description !== undefined && { description: domain.description ?? '' }) }),
        ...(domain.tags && { tags: JSON.stringify(domain.tags) }),
        options: mergedOptions(row.options, domain.options),
        extra: mergedExtra(row.extra, domain, DOMAIN_ATTRIBUTES),
      }).execute();
      if (domain.enabled === false) revoke({ domainId: id });
    });
    await storing(work, taken(domain.name ?? ''));
    return { domain: domainView(await findRow<DomainRow>(this.db, 'domains', 'domain', id), request) };
  }

  @Delete(':id') @Authorize('identity:delete_domain') @HttpCode(204)
  async delete(@Param('id') id: string): Promise<void> {
    await this.revoker.transaction(async (trx, revoke) => {
      const row = await findRow<DomainRow>(trx, 'domains', 'domain', id);
      if (isImmutable(row.options)) throw forbidden(`Unable to delete immutable domain resource: \`${id}. Set resource option "immutable" to false first.`);
      if (row.enabled) throw forbidden('Cannot delete a domain that is enabled, please disable it first.');
      await deleteDomain(trx, id);
      revoke({ domainId: id });
    });
  }
}
