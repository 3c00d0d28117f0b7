import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Put, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { notFound } from '@virga/core';
import { inTransaction } from '@virga/db';
import { Authorize, ValidBody } from '@virga/rest';
import { findRow } from '../collection/rows';
import type { Db, Exec, Trx } from '../db/tables';
import { DATABASE, SEAL_KEY } from '../injection';
import { seal, unseal } from '../tokens/sealed';
import { checkName, ConfigBody, configView, DEFAULTS, readOptions, type ConfigOption } from './domain-config';

const label = (domainId: string, group: string, option: string): string => `${domainId}/${group}/${option}`;

/** Options of a domain for an identity source of its own; kept and shown, the sealed ones only kept. */
@Controller('v3/domains')
export class DomainConfigController {
  constructor(@Inject(DATABASE) private readonly db: Db, @Inject(SEAL_KEY) private readonly sealKey: Buffer) {}

  @Get('config/default') @Authorize('identity:get_domain_config_default')
  defaults() {
    return { config: DEFAULTS };
  }

  @Get('config/:group/default') @Authorize('identity:get_domain_config_default')
  defaultGroup(@Param('group') group: string) {
    checkName(group);
    return { config: { [group]: DEFAULTS[group] } };
  }

  @Get('config/:group/:option/default') @Authorize('identity:get_domain_config_default')
  defaultOption(@Param('group') group: string, @Param('option') option: string) {
    checkName(group, option);
    return { config: { [option]: DEFAULTS[group]![option] ?? null } };
  }

  @Put(':id/config') @Authorize('identity:create_domain_config')
  async create(@Param('id') id: string, @ValidBody(ConfigBody) body: ConfigBody, @Res({ passthrough: true }) reply: FastifyReply) {
    const options = readOptions(body);
    await findRow(this.db, 'domains', 'domain', id);
    const known = await inTransaction(this.db, async (trx) => {
      const removed = await trx.deleteFrom('domain_config').where('domain_id', '=', id).executeTakeFirst();
      await this.write(trx, id, options);
      return removed.numDeletedRows > 0n;
    });
    reply.status(known ? 200 : 201);
    return configView(options, id);
  }

  @Get(':id/config') @Authorize('identity:get_domain_config')
  show(@Param('id') id: string) {
    return this.view(id);
  }

  @Patch(':id/config') @Authorize('identity:update_domain_config')
  update(@Param('id') id: string, @ValidBody(ConfigBody) body: ConfigBody) {
    return this.change(id, body, {});
  }

  @Delete(':id/config') @Authorize('identity:delete_domain_config') @HttpCode(204)
  delete(@Param('id') id: string): Promise<void> {
    return this.remove(id, {});
  }

  @Get(':id/config/:group') @Authorize('identity:get_domain_config')
  showGroup(@Param('id') id: string, @Param('group') group: string) {
    return this.view(id, { group });
  }

  @Patch(':id/config/:group') @Authorize('identity:update_domain_config')
  updateGroup(@Param('id') id: string, @Param('group') group: string, @ValidBody(ConfigBody) body: ConfigBody) {
    return this.change(id, body, { group });
  }

  @Delete(':id/config/:group') @Authorize('identity:delete_domain_config') @HttpCode(204)
  deleteGroup(@Param('id') id: string, @Param('group') group: string): Promise<void> {
    return this.remove(id, { group });
  }

  @Get(':id/config/:group/:option') @Authorize('identity:get_domain_config')
  showOption(@Param('id') id: string, @Param('group') group: string, @Param('option') option: string) {
    return this.view(id, { group, option });
  }

  @Patch(':id/config/:group/:option') @Authorize('identity:update_domain_config')
  updateOption(@Param('id') id: string, @Param('group') group: string, @Param('option') option: string, @ValidBody(ConfigBody) body: ConfigBody) {
    return this.change(id, body, { group, option });
  }

  @Delete(':id/config/:group/:option') @Authorize('identity:delete_domain_config') @HttpCode(204)
  deleteOption(@Param('id') id: string, @Param('group') group: string, @Param('option') option: string): Promise<void> {
    return this.remove(id, { group, option });
  }

  private async view(id: string, only: { group?: string; option?: string } = {}) {
    await findRow(this.db, 'domains', 'domain', id);
    if (only.group !== undefined) checkName(only.group, only.option);
    return configView(await this.read(this.db, id), id, only);
  }

  /** Answers the whole configuration after the change, as keystone does; what is changed in part must be there already. */
  private async change(id: string, body: ConfigBody, only: { group?: string; option?: string }) {
    if (only.group !== undefined) checkName(only.group, only.option);
    const options = readOptions(body, only);
    await findRow(this.db, 'domains', 'domain', id);
    return inTransaction(this.db, async (trx) => {
      if (only.group !== undefined) configView(await this.read(trx, id), id, only);
      await this.write(trx, id, options);
      return configView(await this.read(trx, id), id);
    });
  }

  private async remove(id: string, { group, option }: { group?: string; option?: string }): Promise<void> {
    if (group !== undefined) checkName(group, option);
    await findRow(this.db, 'domains', 'domain', id);
    let query = this.db.deleteFrom('domain_config').where('domain_id', '=', id);
    if (group !== undefined) query = query.where('option_group', '=', group);
    if (option !== undefined) query = query.where('option_name', '=', option);
    const { numDeletedRows } = await query.executeTakeFirst();
    if (numDeletedRows === 0n && group !== undefined) throw notFound(`Could not find group ${group} configuration for domain ${id}.`);
  }

  private async read(db: Exec, id: string): Promise<ConfigOption[]> {
    const rows = await db.selectFrom('domain_config').selectAll().where('domain_id', '=', id).execute();
    return rows.map(({ option_group: group, option_name: option, value_sealed: sealed }) => ({
      group, option, value: JSON.parse(unseal(this.sealKey, label(id, group, option), sealed)) as ConfigOption['value'],
    }));
  }

  private async write(trx: Trx, id: string, options: ConfigOption[]): Promise<void> {
    for (const { group, option, value } of options) {
      const sealed = seal(this.sealKey, label(id, group, option), JSON.stringify(value));
      await trx.insertInto('domain_config').values({ domain_id: id, option_group: group, option_name: option, value_sealed: sealed }).onDuplicateKeyUpdate({ value_sealed: sealed }).execute();
    }
  }
}
