import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Put, Query } from '@nestjs/common';
import { Type, type TSchema } from '@sinclair/typebox';
import { badRequest, conflict, errorMessage, notFound, type Logger } from '@virga/core';
import { inTransaction, sql, type Selectable } from '@virga/db';
import { Authorize, checkInput, FAULT_STYLES, Version, type Microversion } from '@virga/rest';
import { under } from '../microversions';
import { readBoolean } from '../booleans';
import type { ServicesTable } from '../db/schema';
import { dbNow } from '../db/time';
import { microTime } from '../times';
import { DB, LOGGER, NEIGHBOURS, type Db, type Neighbours } from '../tokens';

type Service = Selectable<ServicesTable> & { alive: number };
interface Change { disabled?: 0 | 1; disabled_reason?: string | null; forced_down?: 0 | 1 }

const strict = { additionalProperties: false };
const Host = Type.String({ minLength: 1, maxLength: 255 });
const Reason = Type.String({ minLength: 1, maxLength: 255 });
const Bool = Type.Union([Type.Boolean(), Type.String()]);

/** Until 2.52 the verb stood in the path and the service in the body. */
const OLD_VERBS: Record<string, { schema: TSchema; from: number; change(body: Record<string, unknown>): Change }> = {
  enable: { schema: Type.Object({ host: Host, binary: Host }, strict), from: 1, change: () => ({ disabled: 0, disabled_reason: null }) },
  disable: { schema: Type.Object({ host: Host, binary: Host }, strict), from: 1, change: () => ({ disabled: 1 }) },
  'disable-log-reason': {
    schema: Type.Object({ host: Host, binary: Host, disabled_reason: Reason }, strict), from: 1,
    change: (body) => ({ disabled: 1, disabled_reason: body.disabled_reason as string }),
  },
  'force-down': {
    schema: Type.Object({ host: Host, binary: Host, forced_down: Bool }, strict), from: 11,
    change: (body) => ({ forced_down: readBoolean(body.forced_down as string) ? 1 : 0 }),
  },
};
const Update = Type.Object({
  status: Type.Optional(Type.Union([Type.Literal('enabled'), Type.Literal('disabled')])), disabled_reason: Type.Optional(Reason), forced_down: Type.Optional(Bool),
}, { ...strict, minProperties: 1 });

const view = (service: Service, at: number) => ({
  binary: service.binary, host: service.host, id: at >= 53 ? service.uuid : service.id, zone: service.zone, status: service.disabled ? 'disabled' : 'enabled',
  state: service.alive && !service.forced_down ? 'up' : 'down', updated_at: microTime(service.updated_at), disabled_reason: service.disabled_reason,
  ...(at >= 11 && { forced_down: service.forced_down !== 0 }),
});

@Controller(under('os-services'))
export class ServicesController {
  constructor(@Inject(DB) private readonly db: Db, @Inject(NEIGHBOURS) private readonly neighbours: Neighbours, @Inject(LOGGER) private readonly logger: Logger) {}

  @Get()
  @Authorize('os_compute_api:os-services:list')
  async list(@Version() { minor }: Microversion, @Query('host') host?: string, @Query('binary') binary?: string) {
    let select = this.select().orderBy('id');
    if (host !== undefined) select = select.where('host', '=', host);
    if (binary !== undefined) select = select.where('binary', '=', binary);
    return { services: (await select.execute()).map((service) => view(service, minor)) };
  }

  @Put(':what')
  @Authorize('os_compute_api:os-services:update')
  async update(@Param('what') what: string, @Body() body: Record<string, unknown> | null, @Version() { minor }: Microversion) {
    return minor >= 53 ? this.updateById(what, body ?? {}, minor) : this.updateByVerb(what, body ?? {}, minor);
  }

  @Delete(':id')
  @HttpCode(204)
  @Authorize('os_compute_api:os-services:delete')
  async remove(@Param('id') id: string, @Version() { minor }: Microversion) {
    const service = await this.find(minor >= 53 ? { uuid: id } : { id: Number(id) }, id);
    if (service.host_id !== null) {
      const busy = await this.db.selectFrom('instances').select('id').where('host_id', '=', service.host_id).where('deleted_at', 'is', null).executeTakeFirst();
      if (busy) throw conflict('Unable to delete compute service that is hosting instances. Migrate or delete the instances first.');
      await this.neighbours.placement.removeHost({ hostId: service.host_id });
    }
    await inTransaction(this.db, async (trx) => {
      await trx.deleteFrom('services').where('id', '=', service.id).execute();
      if (service.host_id !== null) await trx.deleteFrom('hosts').where('id', '=', service.host_id).execute();
    });
  }

  private async updateById(id: string, body: Record<string, unknown>, minor: number) {
    checkInput(Update, body, FAULT_STYLES.compute);
    const { status, disabled_reason: reason, forced_down: forced } = body as { status?: string; disabled_reason?: string; forced_down?: boolean | string };
    if (reason !== undefined && status !== 'disabled') throw badRequest("Specifying disabled_reason requires that status is set to 'disabled'.");
    const service = await this.find({ uuid: id }, id);
    if (service.host_id === null) throw badRequest(`Updating a ${service.binary} service is not supported. Only nova-compute services can be updated.`);
    await this.apply(service, {
      ...(status !== undefined && { disabled: status === 'disabled' ? 1 : 0, disabled_reason: status === 'disabled' ? (reason ?? null) : null }),
      ...(forced !== undefined && { forced_down: readBoolean(forced) ? 1 : 0 }),
    });
    return { service: view(await this.find({ uuid: id }, id), minor) };
  }

  private async updateByVerb(name: string, body: Record<string, unknown>, minor: number) {
    const verb = Object.hasOwn(OLD_VERBS, name) ? OLD_VERBS[name] : undefined;
    if (!verb || verb.from > minor) throw notFound('Unknown action');
    checkInput(verb.schema, body, FAULT_STYLES.compute);
    const { host, binary } = body as { host: string; binary: string };
    const service = await this.select().where('host', '=', host).where('binary', '=', binary).executeTakeFirst();
    if (!service) throw notFound(`Could not find binary ${binary} on host ${host}.`);
    const change = verb.change(body);
    await this.apply(service, change);
    return {
      service: {
        host, binary, ...(change.disabled !== undefined && { status: change.disabled ? 'disabled' : 'enabled' }),
        ...(change.disabled_reason && { disabled_reason: change.disabled_reason }), ...(change.forced_down !== undefined && { forced_down: change.forced_down === 1 }),
      },
    };
  }

  private async apply(service: Service, change: Change): Promise<void> {
    await this.db.updateTable('services').set(change).where('id', '=', service.id).execute();
    if (service.host_id === null || change.disabled === undefined) return;
    // Sooner than with the host's next report, which says the same.
    await this.neighbours.placement.setHostEnabled({ hostId: service.host_id, enabled: change.disabled === 0 })
      .catch((error: unknown) => this.logger.warn({ reason: errorMessage(error) }, 'scheduler not told yet'));
  }

  private select() {
    return this.db.selectFrom('services').selectAll().select(sql<number>`lease_until > ${dbNow}`.as('alive'));
  }

  private async find(by: { uuid: string } | { id: number }, asked: string): Promise<Service> {
    const query = this.select();
    const service = await ('uuid' in by ? query.where('uuid', '=', by.uuid) : query.where('id', '=', Number.isNaN(by.id) ? -1 : by.id)).executeTakeFirst();
    if (!service) throw notFound(`Service ${asked} could not be found.`);
    return service;
  }
}
