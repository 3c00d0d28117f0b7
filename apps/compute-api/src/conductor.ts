import { conductorContract, type MigrationLimits } from '@virga/contracts';
import { PeriodicWork, type Logger } from '@virga/core';
import { OutboxRelay, type Kysely } from '@virga/db';
import type { Bus, Served } from '@virga/rpc';
import { Evacuator, type EvacuatorOptions } from './evacuation/evacuator';
import { DrainKeeper } from './drains/drain-keeper';
import { serveConsoles } from './consoles/serve-consoles';
import type { ComputeDb } from './db/schema';
import { neighboursOn } from './neighbours';
import { ServiceRegistrar } from './hosts/service-registrar';
import { serveAgentGateway } from './gateway/agent-gateway';
import { ConductorEngine } from './operations/conductor-engine';
import { outboxPublisher } from './operations/publish-outbox';
import { INVARIANTS } from './verify/invariants';
import type { PruneOptions } from './operations/prune';
import { Pruner } from './operations/pruner';
import { Reconciler } from './verify/reconciler';
import { verifyCloud, type VerifyReport } from './verify/verify-cloud';
import { WORKFLOWS } from './workflows';
import { liveMigrate } from './workflows/live-migrate';
import { evacuateInstance } from './workflows/evacuate-instance';
import type { Fence } from './evacuation/host-is-off';
import { resizeInstance, type ResizeSettings } from './workflows/resize-instance';
import { ResizeConfirmer } from './migrations/resize-confirmer';
import type { EngineOptions } from './operations/conductor-engine';
import type { ConductorMetrics } from './conductor-metrics';

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
  /** Names of fleets of simulated hosts that may report. */
  simulatedFleets?: readonly string[];
  /** How often the cloud is compared with itself and repaired, ms; 0 = never, for tests of the engine alone. */
  reconcileMs?: number;
  /** How long history is kept; for ever when absent. */
  keep?: PruneOptions;
  /** Messages that could not be handled and lie with the broker. */
  deadLetters?: () => Promise<number>;
  metrics?: ConductorMetrics;
  /** What each kind of operation does; the cloud's own unless a test has others. */
  workflows?: EngineOptions['workflows'];
  /** How long a console may stay open. */
  consoleMinutes?: number;
  /** What a live migration may cost. */
  migrationLimits?: MigrationLimits;
  /** Guests of a drained host that are on their way at the same time. */
  drainAtOnce?: number;
  resize?: ResizeSettings;
  /** Cuts a dead host's power before its instances are evacuated; without it an operator's word counts. */
  fence?: Fence;
  /** So long after a host should have reported its instances are evacuated without being asked, s; 0 or absent = never. */
  evacuateAfterSeconds?: number;
  /** How it goes about that, for tests. */
  evacuator?: Pick<EvacuatorOptions, 'everyMs' | 'againSeconds'>;
  /** After so long a resize that nobody has confirmed is confirmed, s; 0 or absent = never. */
  resizeConfirmSeconds?: number;
}

/** All parts of a conductor process. Any number may run on one database. */
export class Conductor {
  readonly engine: ConductorEngine;
  private readonly relay: OutboxRelay<ComputeDb>;
  private readonly periodic: readonly PeriodicWork[];
  private served: Served[] = [];

  constructor(private readonly options: ConductorOptions) {
    const { db, bus, logger, leaseMs, sweepMs, deadHostGraceMs, metrics, reconcileMs, keep, hostname, resizeConfirmSeconds = 0, evacuateAfterSeconds = 0 } = options;
    this.relay = new OutboxRelay(db, outboxPublisher(db, bus), logger);
    this.engine = new ConductorEngine({
      db, logger, neighbours: neighboursOn(bus), workflows: options.workflows ?? {
        ...WORKFLOWS, ...(options.migrationLimits && { 'live-migrate': liveMigrate(options.migrationLimits) }), ...(options.resize && { 'resize-instance': resizeInstance(options.resize) }),
        ...(options.fence && { 'evacuate-instance': evacuateInstance(options.fence) }),
      }, hearsHosts: () => bus.connected,
      ...(options.heartbeatIntervalMs !== undefined && { hostReportMs: options.heartbeatIntervalMs }), wakeRelay: () => this.relay.wake(),
      ...(leaseMs !== undefined && { leaseMs }), ...(sweepMs !== undefined && { sweepMs }), ...(deadHostGraceMs !== undefined && { deadHostGraceMs }), ...(metrics && { events: metrics }),
    });
    const neighbours = neighboursOn(bus);
    const wakeRelay = () => this.relay.wake();
    this.periodic = [
      new ServiceRegistrar({ db, logger, neighbours, hostname }),
      ...(keep ? [new Pruner({ db, logger, ...keep })] : []),
      new DrainKeeper({ db, logger, neighbours, wakeRelay, ...(options.drainAtOnce !== undefined && { atOnce: options.drainAtOnce }) }),
      ...(evacuateAfterSeconds > 0 ? [new Evacuator({ db, logger, afterSeconds: evacuateAfterSeconds, canFence: options.fence !== undefined, wakeRelay, ...options.evacuator })] : []),
      ...(resizeConfirmSeconds > 0 ? [new ResizeConfirmer({ db, logger, afterSeconds: resizeConfirmSeconds, wakeRelay })] : []),
      ...(reconcileMs !== 0 ? [new Reconciler({ ...this.repairContext(), invariants: INVARIANTS, ...(reconcileMs !== undefined && { everyMs: reconcileMs }), ...(metrics && { events: metrics }) })] : []),
    ];
  }

  async start(): Promise<void> {
    const { db, bus, logger, defaultZone, heartbeatIntervalMs, hostLeaseMs, simulatedFleets } = this.options;
    this.relay.start();
    this.engine.start();
    for (const work of this.periodic) work.start();
    this.served = [
      await bus.serve(conductorContract, { wake: async ({ operationId }) => this.engine.wake(operationId) }),
      await serveConsoles({ db, bus, logger, ...(this.options.consoleMinutes !== undefined && { sessionMinutes: this.options.consoleMinutes }) }),
      await serveAgentGateway({
        db, bus, logger, defaultZone, wake: (id) => this.engine.wake(id), wakeRelay: () => this.relay.wake(), simulatedFleets: new Set(simulatedFleets),
        ...(heartbeatIntervalMs !== undefined && { intervalMs: heartbeatIntervalMs }), ...(hostLeaseMs !== undefined && { leaseMs: hostLeaseMs }),
      }),
    ];
  }

  /** Compares the whole cloud with itself, now. */
  verify(fix: boolean): Promise<VerifyReport> {
    const { deadLetters } = this.options;
    return verifyCloud({ ...this.repairContext(), ...(deadLetters && { deadLetters }) }, INVARIANTS, { fix });
  }

  private repairContext() {
    const { db, bus, logger } = this.options;
    return { db, bus, logger, wake: (id: string) => this.engine.wake(id), wakeRelay: () => this.relay.wake() };
  }

  async stop(): Promise<void> {
    await Promise.all(this.periodic.map((work) => work.stop()));
    await Promise.all(this.served.map((served) => served.stop()));
    await this.engine.stop();
    await this.relay.stop();
  }

  /** For tests: goes away as a killed process does. */
  async kill(): Promise<void> {
    await Promise.all(this.periodic.map((work) => work.stop()));
    this.engine.abandon();
    await Promise.all(this.served.map((served) => served.stop()));
    await this.relay.stop();
  }
}
