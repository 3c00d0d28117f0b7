import { Module, type DynamicModule } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger, RequestContext } from '@virga/core';
import type { Kysely } from '@virga/db';
import { createHttpApp, FAULT_STYLES, PolicyEnforcer, type HttpEdgeOptions } from '@virga/rest';
import type { Bus } from '@virga/rpc';
import { networkAuditContract, networkContract } from '@virga/contracts';
import type { Collection } from './api/collection';
import { ExtensionController } from './api/extension.controller';
import { policies } from './api/policies';
import { COLLECTIONS, RESOURCE_CONTROLLERS, type Collections } from './api/resource.controllers';
import { TAGGED, TagController } from './api/tag.controller';
import { CollectionVerbs } from './api/verbs';
import { VersionController } from './api/version.controller';
import type { NetworkSchema } from './db/tables';
import { AGENT_SOURCE, AgentController } from './agents/agent.controller';
import { AVAILABILITY_ZONE, AvailabilityZoneController } from './agents/availability-zone.controller';
import { addressScopeCollection } from './address-scopes/address-scope.collection';
import { AgentSchedulerController } from './agents/agent-scheduler.controller';
import { IpAvailabilityController } from './subnets/ip-availability.controller';
import { ServiceProviderController } from './routers/service-provider.controller';
import { rbacPolicyCollection } from './rbac-policies/rbac-policy.collection';
import { PrefixController } from './subnet-pools/prefix.controller';
import { subnetPoolCollection } from './subnet-pools/subnet-pool.collection';
import { floatingIpCollection } from './floating-ips/floating-ip.collection';
import { QUOTA_DB, QuotaController } from './quotas/quota.controller';
import { RouterInterfaceController } from './routers/router-interface.controller';
import { routerCollection } from './routers/router.collection';
import { networkCollection } from './networks/network.collection';
import type { NetworkSettings } from './networks/network.verbs';
import { gatewayHosts } from './ovn/gateway-hosts';
import { Northbound, type NbClient, type SbClient } from './ovn/northbound';
import { OvnWriter, type OvnWriterOptions } from './ovn/ovn-writer';
import { renderers } from './ovn/render';
import { SyncWaiter } from './ovn/sync-waiter';
import { portCollection } from './ports/port.collection';
import { auditHandlers } from './rpc/audit';
import { networkHandlers } from './rpc/network.handlers';
import { securityGroupCollection } from './security-groups/security-group.collection';
import { securityGroupRuleCollection } from './security-groups/security-group-rule.collection';
import { subnetCollection } from './subnets/subnet.collection';

/** Wakes the writers of all processes of this service. */
const SYNC_TOPIC = 'network.ovn-sync';

export interface NetworkAppOptions {
  db: Kysely<NetworkSchema>;
  bus: Bus;
  nb: NbClient;
  sb: SbClient;
  logger: Logger;
  identityUrl: string;
  settings: NetworkSettings;
  writer: Omit<OvnWriterOptions, 'ready'>;
  verifyToken(token: string): Promise<RequestContext>;
  onAnswer?: HttpEdgeOptions['onAnswer'];
}

export interface NetworkApp {
  http: NestFastifyApplication;
  writer: OvnWriter;
  /** Serves the contract and begins to write northbound rows. */
  start(): Promise<void>;
  /** Takes no more requests, finishes those in work. */
  stop(): Promise<void>;
}

@Module({})
class NetworkModule {}

/** Puts the service together; nothing listens yet. */
export async function createNetworkApp(options: NetworkAppOptions): Promise<NetworkApp> {
  const { db, bus, nb, sb, logger } = options;
  const gateways = gatewayHosts(sb);
  // Without the hosts a router's gateway would be taken from all of them.
  let hostsKnown = sb.connected;
  const writer = new OvnWriter(db, new Northbound(nb), renderers(gateways), logger, { ...options.writer, ready: () => hostsKnown });
  sb.on('connected', () => { hostsKnown = true; writer.reconcileSoon(); });
  sb.watch('Chassis', () => writer.reconcileSoon());
  const waiter = new SyncWaiter(db, () => {
    writer.wake();
    bus.publish(SYNC_TOPIC, {}).catch((error: unknown) => logger.debug({ err: error }, 'other writers not woken'));
  });
  writer.onApplied((ids) => waiter.applied(ids));
  const policy = new PolicyEnforcer(policies, FAULT_STYLES.network);
  const verbs = new CollectionVerbs(db, policy, () => waiter.changed());
  const collections: Collections = {
    networks: networkCollection(options.settings),
    subnets: subnetCollection,
    ports: portCollection,
    routers: routerCollection(options.settings.availabilityZone),
    floatingips: floatingIpCollection,
    'security-groups': securityGroupCollection(db),
    'security-group-rules': securityGroupRuleCollection,
    subnetpools: subnetPoolCollection,
    'address-scopes': addressScopeCollection,
    'rbac-policies': rbacPolicyCollection,
  };
  const tagged: Record<string, Collection> = Object.fromEntries(Object.entries(collections).filter(([, { attributes }]) => 'tags' in attributes));
  const root: DynamicModule = {
    module: NetworkModule,
    controllers: [
      VersionController, ExtensionController, QuotaController, AgentController, AvailabilityZoneController, RouterInterfaceController, PrefixController,
      AgentSchedulerController, ServiceProviderController, IpAvailabilityController,
      ...RESOURCE_CONTROLLERS, TagController,
    ],
    providers: [
      { provide: COLLECTIONS, useValue: collections },
      { provide: TAGGED, useValue: tagged },
      { provide: CollectionVerbs, useValue: verbs },
      { provide: PolicyEnforcer, useValue: policy },
      { provide: QUOTA_DB, useValue: db },
      { provide: AGENT_SOURCE, useValue: sb },
      { provide: AVAILABILITY_ZONE, useValue: options.settings.availabilityZone },
    ],
  };
  const http = await createHttpApp(root as never, {
    service: 'network', identityUrl: options.identityUrl, policies, logger, verifyToken: options.verifyToken, ...(options.onAnswer && { onAnswer: options.onAnswer }),
  });
  let served: { stop(): Promise<void> }[] = [];
  return {
    http,
    writer,
    async start() {
      await bus.subscribe(SYNC_TOPIC, () => writer.wake());
      writer.start();
      served = [
        await bus.serve(networkContract, networkHandlers(db, verbs, waiter)),
        await bus.serve(networkAuditContract, auditHandlers(db, writer), { concurrency: 2 }),
      ];
    },
    async stop() {
      await http.close();
      await Promise.all(served.map((one) => one.stop()));
      await writer.stop();
    },
  };
}
