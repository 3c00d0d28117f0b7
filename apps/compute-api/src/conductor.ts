import { conductorContract } from '@virga/contracts';
import type { Logger } from '@virga/core';
import { OutboxRelay, type Kysely } from '@virga/db';
import type { Bus, Served } from '@virga/rpc';
import type { ComputeDb } from './db/schema';
import { neighboursOn } from './compute-app';
import { serveAgentGateway } from './gateway/agent-gateway';
import { ConductorEngine } from './operations/conductor-engine';
import { outboxPublisher } from './operations/publish-outbox';
import { WORKFLOWS } from './workflows';

export interface ConductorOptions {
  db: Kysely<ComputeDb>;
  bus: Bus;
  logger: Logger;
  defaultZone: string;
  /** Under which the process shows in the list of services. */
  hostname: string;
  /** Of operations, ms. */
  leaseMs?: number;
  sweepMs?: number;
  deadHostGraceMs?: number;
  heartbeatIntervalMs?: number;
  hostLeaseMs?: number;
}

/** All parts of a conductor process. Any number may run on one database. */
export class Conductor {
  readonly engine: ConductorEngine;
  private readonly relay: OutboxRelay<ComputeDb>;
  private served: Served[] = [];

  constructor(private readonly options: ConductorOptions) {
    const { db, bus, logger, leaseMs, sweepMs, deadHostGraceMs } = options;
    this.relay = new OutboxRelay(db, outboxPublisher(db, bus), logger);
    this.engine = new ConductorEngine({
      db, logger, neighbours: neighboursOn(bus), workflows: WORKFLOWS, wakeRelay: () => this.relay.wake(),
      ...(leaseMs !== undefined && { leaseMs }), ...(sweepMs !== undefined && { sweepMs }), ...(deadHostGraceMs !== undefined && { deadHostGraceMs }),
    });
  }

  async start(): Promise<void> {
    const { db, bus, logger, defaultZone, heartbeatIntervalMs, hostLeaseMs } = this.options;
    this.relay.start();
    this.engine.start();
    this.served = [
      await bus.serve(conductorContract, { wake: async ({ operationId }) => this.engine.wake(operationId) }),
      await serveAgentGateway({
        db, bus, logger, defaultZone, wake: (id) => this.engine.wake(id), wakeRelay: () => this.relay.wake(),
        ...(heartbeatIntervalMs !== undefined && { intervalMs: heartbeatIntervalMs }), ...(hostLeaseMs !== undefined && { leaseMs: hostLeaseMs }),
      }),
    ];
  }

  async stop(): Promise<void> {
    await Promise.all(this.served.map((served) => served.stop()));
    await this.engine.stop();
    await this.relay.stop();
  }

  /** For tests: goes away as a killed process does. */
  async kill(): Promise<void> {
    this.engine.abandon();
    await Promise.all(this.served.map((served) => served.stop()));
    await this.relay.stop();
  }
}
