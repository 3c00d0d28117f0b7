import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Put } from '@nestjs/common';
import type { Static } from '@sinclair/typebox';
import { badRequest, errorMessage, newUuid, type Logger, type RequestContext } from '@virga/core';
import { inTransaction } from '@virga/db';
import { Authenticated, Authorize, Caller, checkInput, FAULT_STYLES, ValidBody, Version, type Microversion, type PolicyEnforcer } from '@virga/rest';
import { Served, under } from '../microversions';
import { BUS, DB, ENFORCER, LOGGER, NEIGHBOURS, SETTINGS, type Bus, type ComputeSettings, type Db, type Neighbours } from '../tokens';
import { AGGREGATE_ACTIONS, type AggregateChange } from './aggregate-actions';
import { aggregateId, createAggregate, getAggregate, listAggregates, lockAggregate, renameAggregate, setAggregateMetadata, touchAggregate, ZONE_KEY } from './aggregate.repository';
import { CacheImages, CreateAggregate, UpdateAggregate } from './aggregate.schema';
import { aggregateView } from './aggregate.view';
import { cacheImages } from './cache-images';
import { lockHosts, settleZones, type HostZone } from './host-zones';

/** Groups of hosts: their metadata makes availability zones and steers placement. */
@Controller(under('os-aggregates'))
export class AggregatesController {
  constructor(
    @Inject(DB) private readonly db: Db, @Inject(SETTINGS) private readonly settings: ComputeSettings, @Inject(ENFORCER) private readonly policy: PolicyEnforcer,
    @Inject(NEIGHBOURS) private readonly neighbours: Neighbours, @Inject(BUS) private readonly bus: Bus, @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Get()
  @Authorize('os_compute_api:os-aggregates:index')
  async list(@Version() { minor }: Microversion) {
    return { aggregates: (await listAggregates(this.db)).map((aggregate) => aggregateView(aggregate, minor)) };
  }

  @Post()
  @HttpCode(200)
  @Authorize('os_compute_api:os-aggregates:create')
  async create(@Version() { minor }: Microversion, @ValidBody(CreateAggregate) { aggregate: { name, availability_zone: zone } }: Static<typeof CreateAggregate>) {
    const made = await inTransaction(this.db, async (trx) => {
      const id = await createAggregate(trx, newUuid(), name);
      if (zone) await setAggregateMetadata(trx, id, { [ZONE_KEY]: zone });
      return getAggregate(trx, id);
    });
    return { aggregate: aggregateView(made, minor, true) };
  }

  @Get(':id')
  @Authorize('os_compute_api:os-aggregates:show')
  async show(@Param('id') id: string, @Version() { minor }: Microversion) {
    return { aggregate: aggregateView(await getAggregate(this.db, aggregateId(id)), minor) };
  }

  @Put(':id')
  @Authorize('os_compute_api:os-aggregates:update')
  async update(@Param('id') id: string, @Version() { minor }: Microversion, @ValidBody(UpdateAggregate) { aggregate }: Static<typeof UpdateAggregate>) {
    return this.change(aggregateId(id), minor, 'update', async (trx, { id: number }) => {
      if (aggregate.name !== undefined) await renameAggregate(trx, number, aggregate.name);
      if (aggregate.availability_zone !== undefined) await setAggregateMetadata(trx, number, { [ZONE_KEY]: aggregate.availability_zone });
    });
  }

  @Delete(':id')
  @HttpCode(200)
  @Authorize('os_compute_api:os-aggregates:delete')
  async remove(@Param('id') text: string) {
    const id = aggregateId(text);
    await inTransaction(this.db, async (trx) => {
      const { hosts } = await lockAggregate(trx, id);
      if (hosts.length > 0) throw badRequest(`Cannot remove aggregate '${id}': it is not empty.`);
      await trx.deleteFrom('aggregates').where('id', '=', id).execute();
    });
  }

  // Each action has a rule of its own, looked up by the body's key.
  @Post(':id/action')
  @HttpCode(200)
  @Authenticated()
  async act(@Param('id') id: string, @Body() body: unknown, @Caller() caller: RequestContext, @Version() { minor }: Microversion) {
    const key = typeof body === 'object' && body !== null ? Object.keys(body)[0] : undefined;
    const action = key !== undefined && Object.hasOwn(AGGREGATE_ACTIONS, key) ? AGGREGATE_ACTIONS[key] : undefined;
    if (!action) throw badRequest(key === undefined ? FAULT_STYLES.compute.malformedBody : `There is no such action: ${key}`);
    this.policy.enforce(caller, action.rule);
    checkInput(action.schema, body, FAULT_STYLES.compute);
    return this.change(aggregateId(id), minor, action.verb, (trx, aggregate) => action.change(trx, aggregate, (body as Record<string, unknown>)[key!] as never));
  }

  @Post(':id/images')
  @Served(81)
  @HttpCode(202)
  @Authorize('compute:aggregates:images')
  async images(@Param('id') id: string, @Caller() caller: RequestContext, @ValidBody(CacheImages) { cache }: Static<typeof CacheImages>) {
    await cacheImages({ db: this.db, bus: this.bus, neighbours: this.neighbours }, caller, await getAggregate(this.db, aggregateId(id)), cache.map((image) => image.id));
  }

  /** One transaction with all hosts concerned locked; the scheduler hears of new zones sooner than by the hosts' next reports. */
  private async change(id: number, minor: number, verb: string, change: AggregateChange) {
    let zones: HostZone[] = [];
    const changed = await inTransaction(this.db, async (trx) => {
      const before = await lockAggregate(trx, id);
      const named = await change(trx, before);
      await touchAggregate(trx, id);
      const hosts = await lockHosts(trx, [...new Set([...before.hosts, ...(named ?? [])])]);
      zones = await settleZones(trx, hosts.map((host) => host.id), this.settings.defaultZone, (reason) => `Cannot ${verb} aggregate ${id}. Reason: ${reason}.`);
      return getAggregate(trx, id);
    });
    if (zones.length > 0) {
      await this.neighbours.placement.setHostZones({ hosts: zones }).catch((error: unknown) => this.logger.warn({ reason: errorMessage(error) }, 'scheduler not told of zones yet'));
    }
    return { aggregate: aggregateView(changed, minor) };
  }
}
