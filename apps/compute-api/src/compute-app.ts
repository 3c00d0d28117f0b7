import { Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger, RequestContext } from '@virga/core';
import { createHttpApp, FAULT_STYLES, PolicyEnforcer, type HttpEdgeOptions } from '@virga/rest';
import type { Bus } from '@virga/rpc';
import { AggregatesController } from './aggregates/aggregates.controller';
import { ConsoleAuthTokensController } from './consoles/console-auth-tokens.controller';
import { RemoteConsolesController } from './consoles/remote-consoles.controller';
import { FlavorsController } from './flavors/flavors.controller';
import { KeypairsController } from './keypairs/keypairs.controller';
import { COMPUTE_VERSIONS } from './microversions';
import { MigrationsController } from './migrations/migrations.controller';
import { ServerMigrationsController } from './migrations/server-migrations.controller';
import { neighboursOn } from './neighbours';
import { computePolicies } from './policies';
import { FloatingIpPoolsController, FloatingIpsController } from './proxies/floating-ips.controller';
import { ImageMetadataController } from './proxies/image-metadata.controller';
import { ImagesController } from './proxies/images.controller';
import { NetworksController, TenantNetworksController } from './proxies/networks.controller';
import { SecurityGroupRulesController } from './proxies/security-group-rules.controller';
import { SecurityGroupsController } from './proxies/security-groups.controller';
import { QuotaClassSetsController, QuotaSetsController } from './quotas/quota-sets.controller';
import { ServerGroupsController } from './server-groups/server-groups.controller';
import { ServersController } from './servers/servers.controller';
import { FlavorAccessController } from './flavors/flavor-access.controller';
import { FlavorExtraSpecsController } from './flavors/flavor-extra-specs.controller';
import { UsageAuditLogController } from './audit/usage-audit-log.controller';
import { ExternalEventsController } from './events/external-events.controller';
import { AvailabilityZonesController } from './hosts/availability-zones.controller';
import { HypervisorsController } from './hosts/hypervisors.controller';
import { OsHostsController } from './hosts/os-hosts.controller';
import { ServicesController } from './hosts/services.controller';
import { LimitsController } from './limits/limits.controller';
import { ServerActionsController } from './servers/actions/server-actions.controller';
import { InstanceActionsController } from './servers/history/instance-actions.controller';
import { ServerMetadataController } from './servers/metadata/server-metadata.controller';
import { DiagnosticsController } from './servers/diagnostics.controller';
import { ServerInterfacesController } from './servers/server-interfaces.controller';
import { ServerNetworksController } from './servers/server-networks.controller';
import { ServerPasswordController } from './servers/server-password.controller';
import { ServerTagsController } from './servers/tags/server-tags.controller';
import { VolumeAttachmentsController } from './servers/volume-attachments.controller';
import { TenantUsageController } from './usage/tenant-usage.controller';
import { ExtensionsController } from './versions/extensions.controller';
import { BUS, DB, ENFORCER, LOGGER, NEIGHBOUR_APIS, NEIGHBOURS, SETTINGS, WAKE_RELAY, type ComputeSettings, type Db, type NeighbourApis, type WakeRelay } from './tokens';
import { isVersionDocument, VersionsController } from './versions/versions.controller';

const CONTROLLERS = [
  VersionsController, ExtensionsController, FlavorsController, FlavorExtraSpecsController, FlavorAccessController, KeypairsController,
  ServersController, ServerActionsController, ServerMetadataController, ServerTagsController, ServerNetworksController, ServerInterfacesController, ServerPasswordController, VolumeAttachmentsController, InstanceActionsController,
  QuotaSetsController, QuotaClassSetsController, LimitsController, TenantUsageController, HypervisorsController, ServicesController, AvailabilityZonesController,
  MigrationsController, ServerMigrationsController,
  ServerGroupsController, AggregatesController, OsHostsController, ExternalEventsController, UsageAuditLogController, DiagnosticsController,
  RemoteConsolesController, ConsoleAuthTokensController,
  SecurityGroupsController, SecurityGroupRulesController, FloatingIpsController, FloatingIpPoolsController, NetworksController, TenantNetworksController, ImagesController, ImageMetadataController,
];

export interface ComputeAppOptions {
  db: Db;
  bus: Bus;
  logger: Logger;
  settings: ComputeSettings;
  wakeRelay: WakeRelay;
  identityUrl: string;
  apis: NeighbourApis;
  verifyToken(token: string): Promise<RequestContext>;
  onAnswer?: HttpEdgeOptions['onAnswer'];
}

/** The HTTP side of compute. It keeps no state: any number of copies may run. */
export function createComputeApp({ db, bus, logger, settings, wakeRelay, identityUrl, apis, verifyToken, onAnswer }: ComputeAppOptions): Promise<NestFastifyApplication> {
  @Module({
    controllers: CONTROLLERS,
    providers: [
      { provide: DB, useValue: db },
      { provide: BUS, useValue: bus },
      { provide: LOGGER, useValue: logger },
      { provide: SETTINGS, useValue: settings },
      { provide: WAKE_RELAY, useValue: wakeRelay },
      { provide: NEIGHBOUR_APIS, useValue: apis },
      { provide: NEIGHBOURS, useValue: neighboursOn(bus) },
      { provide: ENFORCER, useValue: new PolicyEnforcer(computePolicies, FAULT_STYLES.compute) },
    ],
  })
  class ComputeModule {}
  return createHttpApp(ComputeModule, {
    service: 'compute', identityUrl, policies: computePolicies, logger, verifyToken, microversions: COMPUTE_VERSIONS, isUnversioned: isVersionDocument,
    ...(onAnswer && { onAnswer }),
  });
}
