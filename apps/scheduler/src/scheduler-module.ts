import 'reflect-metadata';
import { Module, type DynamicModule, type INestMicroservice } from '@nestjs/common';
import { DiscoveryModule, DiscoveryService, NestFactory } from '@nestjs/core';
import type { Bus } from '@virga/rpc';
import { BusTransport } from '@virga/rpc/nest-transport';
import { PlacementServer, type PlacementServerOptions } from './placement-server';

@Module({})
export class SchedulerModule {
  static with(options: PlacementServerOptions): DynamicModule {
    return {
      module: SchedulerModule,
      imports: [DiscoveryModule],
      providers: [{ provide: PlacementServer, useFactory: () => new PlacementServer(options) }],
    };
  }
}

/** Serves placement on the bus until the application is closed. */
export async function startScheduler(bus: Bus, options: PlacementServerOptions): Promise<INestMicroservice> {
  const app = await NestFactory.createMicroservice(SchedulerModule.with(options), {
    logger: false,
    abortOnError: false,
    inject: [DiscoveryService],
    useFactory: (discovery: DiscoveryService) => ({ strategy: new BusTransport(bus, discovery) }),
  });
  await app.listen();
  return app;
}
