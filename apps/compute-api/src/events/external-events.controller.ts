import { Controller, Inject, Post, Res } from '@nestjs/common';
import { Type, type Static, type TSchema } from '@sinclair/typebox';
import { notFound, type Logger } from '@virga/core';
import { Authorize, ValidBody, type FastifyReply, type VersionSteps } from '@virga/rest';
import { under } from '../microversions';
import { DB, LOGGER, type Db } from '../tokens';

const strict = { additionalProperties: false };
/** Names of events by the version (2.n) in which they came. */
const NAMES: readonly (readonly [from: number, name: string])[] = [
  [1, 'network-changed'], [1, 'network-vif-plugged'], [1, 'network-vif-unplugged'], [1, 'network-vif-deleted'], [51, 'volume-extended'], [76, 'power-update'],
  [82, 'accelerator-request-bound'], [93, 'volume-reimaged'],
];
const bodyAt = (minor: number) => Type.Object({
  events: Type.Array(Type.Object({
    name: Type.Union(NAMES.filter(([from]) => from <= minor).map(([, name]) => Type.Literal(name))),
    server_uuid: Type.String({ format: 'uuid' }),
    status: Type.Optional(Type.Union(['failed', 'completed', 'in-progress'].map((word) => Type.Literal(word)))),
    tag: Type.Optional(Type.String({ maxLength: 255 })),
  }, strict), { minItems: 1, maxItems: 1000 }),
}, strict);
const ExternalEvents = [
  ['2.1', bodyAt(1)], ['2.51', bodyAt(51)], ['2.76', bodyAt(76)], ['2.82', bodyAt(82)], ['2.93', bodyAt(93)],
] as const satisfies VersionSteps<TSchema>;
type Body = Static<ReturnType<typeof bodyAt>>;

/**
 * What other services tell of servers. Addresses and ports are always read from the network service, so that nothing
 * is to be refreshed: an event of a server that has a host is taken note of, others are refused one by one.
 */
@Controller(under('os-server-external-events'))
export class ExternalEventsController {
  constructor(@Inject(DB) private readonly db: Db, @Inject(LOGGER) private readonly logger: Logger) {}

  @Post()
  @Authorize('os_compute_api:os-server-external-events:create')
  async create(@ValidBody(ExternalEvents) { events }: Body, @Res({ passthrough: true }) reply: FastifyReply) {
    const rows = await this.db.selectFrom('instances').select(['id', 'host_id']).where('deleted_at', 'is', null)
      .where('id', 'in', [...new Set(events.map((event) => event.server_uuid))]).execute();
    const hosts = new Map(rows.map((row) => [row.id, row.host_id]));
    const answered = events.map((event) => {
      const host = hosts.get(event.server_uuid);
      const code = host === undefined ? 404 : host === null ? 422 : 200;
      return { ...event, status: code === 200 ? (event.status ?? 'completed') : 'failed', code };
    });
    const taken = answered.filter(({ code }) => code === 200);
    if (taken.length === 0 && rows.length === 0) throw notFound('No instances found for any event');
    for (const { name, server_uuid: instanceId, status, tag } of taken) this.logger.info({ event: name, instanceId, status, tag }, 'external event');
    void reply.status(taken.length === answered.length ? 200 : 207);
    return { events: answered };
  }
}
