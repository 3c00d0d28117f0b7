import { Controller, Delete, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { Type, type Static, type TSchema } from '@sinclair/typebox';
import type { RequestedNetwork } from '@virga/contracts';
import { actorOf, badRequest, CloudError, conflict, forbidden, internalError, newUuid, notFound, type RequestContext } from '@virga/core';
import { Authorize, Caller, ValidBody, Version, type Microversion, type PolicyEnforcer, type VersionSteps } from '@virga/rest';
import { under } from '../microversions';
import { awaitOperation } from '../operations/await-operation';
import { DB, ENFORCER, NEIGHBOURS, WAKE_RELAY, type Db, type Neighbours, type WakeRelay } from '../tokens';
import { checkAction, startAction } from './actions/start-action';
import { getInstance } from './server.repository';
import { attachment } from './server-networks.controller';

const strict = { additionalProperties: false };
const properties = {
  net_id: Type.Optional(Type.String({ format: 'uuid' })),
  port_id: Type.Optional(Type.String({ format: 'uuid' })),
  fixed_ips: Type.Optional(Type.Array(Type.Object({ ip_address: Type.String({ format: 'ip' }) }, strict), { minItems: 1, maxItems: 1 })),
};
const Attachment = Type.Object(properties, strict);
const Attach = [
  ['2.1', Type.Object({ interfaceAttachment: Type.Optional(Attachment) }, strict)],
  ['2.49', Type.Object({ interfaceAttachment: Type.Optional(Type.Object({ ...properties, tag: Type.Optional(Type.String({ minLength: 1, maxLength: 60, pattern: '^[^,/]*$' })) }, strict)) }, strict)],
] as const satisfies VersionSteps<TSchema>;
interface AttachBody { interfaceAttachment?: Static<typeof Attachment> & { tag?: string } }

/** Nova answers when the card is in; a guest's hypervisor takes moments, OVN some more. */
const ATTACH_PATIENCE_MS = 50_000;
/** A guest that lets go at once is done before the answer, so that a client may go on at once; others are not waited for. */
const DETACH_PATIENCE_MS = 10_000;

/** Refusals of the network service that are no bad requests here, with the answers that nova gives. */
const REFUSALS: Record<string, (message: string) => CloudError> = {
  PortInUse: (message) => conflict(message),
  IpAddressInUse: (message) => conflict(message),
  PortNotFound: (message) => notFound(message),
  NetworkNotFound: (message) => notFound(message),
  OverQuota: () => forbidden('Maximum number of ports exceeded'),
};

/** Cards that come to a server after its boot, and go before its end. */
@Controller(under('servers/:id/os-interface'))
export class ServerInterfacesController {
  private readonly deps;

  constructor(
    @Inject(DB) private readonly db: Db, @Inject(NEIGHBOURS) private readonly neighbours: Neighbours, @Inject(ENFORCER) policy: PolicyEnforcer, @Inject(WAKE_RELAY) private readonly wakeRelay: WakeRelay,
  ) {
    this.deps = { db, policy };
  }

  @Post()
  @HttpCode(200)
  @Authorize('os_compute_api:os-attach-interfaces:create')
  async attach(@Param('id') serverId: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion, @ValidBody(Attach) { interfaceAttachment = {} }: AttachBody) {
    const { net_id: networkId, port_id: portId, fixed_ips: fixedIps, tag } = interfaceAttachment;
    const row = await getInstance(this.db, caller, serverId);
    if (networkId && portId) throw badRequest('Must not input both network_id and port_id');
    const fixedIp = fixedIps?.[0]?.ip_address;
    if (fixedIp && !networkId) throw badRequest('Must input network_id when request IP address');
    // Tags of cards are not built; the word is nova's for hypervisors without them.
    if (tag !== undefined) throw badRequest('Tagged network interface attachment is not supported for this server instance.');
    checkAction({ ...this.deps, caller }, 'attachInterface', row);
    const wanted = portId !== undefined ? { portId } : networkId !== undefined ? { networkId, ...(fixedIp !== undefined && { fixedIp }) } : undefined;
    const network = await this.resolve(caller, wanted);
    const newPortId = newUuid();
    const { operationId } = await startAction({ ...this.deps, caller, serverId }, 'attachInterface', () => ({ kind: 'attach-interface', args: { network, newPortId } }));
    this.wakeRelay();
    const ended = await awaitOperation(this.db, operationId, ATTACH_PATIENCE_MS);
    if (ended?.end !== 'done') throw internalError(`Failed to attach network adapter device to ${serverId}`, { details: ended?.failure });
    const { ports } = await this.neighbours.network.instancePorts({ instanceId: serverId });
    const made = ports.find((port) => port.portId === (network.portId ?? newPortId));
    if (!made) throw notFound(`Port ${network.portId ?? newPortId} could not be found.`);
    return { interfaceAttachment: attachment(made, minor) };
  }

  @Delete(':port')
  @HttpCode(202)
  @Authorize('os_compute_api:os-attach-interfaces:delete')
  async detach(@Param('id') serverId: string, @Param('port') portId: string, @Caller() caller: RequestContext) {
    const row = await getInstance(this.db, caller, serverId);
    checkAction({ ...this.deps, caller }, 'detachInterface', row);
    const { ports } = await this.neighbours.network.instancePorts({ instanceId: serverId });
    if (!ports.some((port) => port.portId === portId)) throw notFound(`Port ${portId} could not be found.`);
    const { operationId } = await startAction({ ...this.deps, caller, serverId }, 'detachInterface', () => ({ kind: 'detach-interface', args: { portId } }));
    this.wakeRelay();
    await awaitOperation(this.db, operationId, DETACH_PATIENCE_MS);
  }

  /** The network as the caller may have it; without a wish, the project's only one. */
  private async resolve(caller: RequestContext, wanted: RequestedNetwork | undefined): Promise<RequestedNetwork> {
    try {
      const { networks: [network] } = await this.neighbours.network.resolveRequested({ actor: actorOf(caller), requested: wanted === undefined ? 'auto' : [wanted], securityGroups: [], count: 1 });
      if (network === undefined) throw badRequest(`No specific network was requested and none are available for project '${caller.project?.id}'.`);
      return network;
    } catch (error) {
      if (!(error instanceof CloudError) || error.status >= 500) throw error;
      throw (REFUSALS[error.type ?? ''] ?? badRequest)(error.message);
    }
  }
}
