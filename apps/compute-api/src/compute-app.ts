import { Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { imageContract, networkContract, placementContract } from '@virga/contracts';
import type { Logger, RequestContext } from '@virga/core';
import { createHttpApp, FAULT_STYLES, PolicyEnforcer, type HttpEdgeOptions } from '@virga/rest';
import type { Bus } from '@virga/rpc';
import { FlavorsController } from './flavors/flavors.controller';
import { KeypairsController } from './keypairs/keypairs.controller';
import { COMPUTE_VERSIONS } from './microversions';
import type { Neighbours } from './operations/workflow';
import { computePolicies } from './policies';
import { QuotaClassSetsController, QuotaSetsController } from './quotas/quota-sets.controller';
import { ServersController } from './servers/servers.controller';
import { BUS, DB, ENFORCER, LOGGER, NEIGHBOURS, SETTINGS, WAKE_RELAY, type ComputeSettings, type Db, type WakeRelay } from './tokens';
import { isVersionDocument, VersionsController } from './versions/versions.controller';

const CONTROLLERS = [VersionsController, FlavorsController, KeypairsController, ServersController, QuotaSetsController, QuotaClassSetsController];

export interface ComputeAppOptions {
  db: Db;
  bus: Bus;
  logger: Logger;
  settings: ComputeSettings;
  wakeRelay: WakeRelay;
  identityUrl: string;
  verifyToken(token: string): Promise<RequestContext>;
  onAnswer?: HttpEdgeOptions['onAnswer'];
}

export const neighboursOn = (bus: Bus): Neighbours => ({
  placement: bus.client(placementContract), network: bus.client(networkContract), image: bus.client(imageContract),
});

/** The HTTP side of compute. It keeps no state: any number of copies may run. */
export function createComputeApp({ db, bus, logger, settings, wakeRelay, identityUrl, verifyToken, onAnswer }: ComputeAppOptions): Promise<NestFastifyApplication> {
  @Module({
    controllers: CONTROLLERS,
    providers: [
      { provide: DB, useValue: db },
      { provide: BUS, useValue: bus },
      { provide: LOGGER, useValue: logger },
      { provide: SETTINGS, useValue: settings },
      { provide: WAKE_RELAY, useValue: wakeRelay },
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
