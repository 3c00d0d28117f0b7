import { agentGatewayContract, hostAgentContract } from '@virga/contracts';
import { errorMessage, type Logger } from '@virga/core';
import { fleetHostId, type Bus, type Client, type Served } from '@virga/rpc';
import { agentHandlers } from '../agent.handlers';
import { CommandRunner } from '../commands/command-runner';
import { ReportSender } from '../commands/report-sender';
import type { HostDescription } from '../hosts/describe-host';
import { Heartbeat } from '../hosts/heartbeat';
import { isStillHere } from '../hosts/is-still-here';
import { recoverGuests } from '../hosts/recover-guests';
import type { DesiredPower, InstanceHost } from '../instances/instance-host';
import { verbTable } from '../instances/verbs';
import type { MigrationHost } from '../migration/migration-host';
import { FakeDriver } from '../virt/fake/fake-driver';
import { FakeMigrations, type FakeLink } from '../virt/fake/fake-migrations';
import { Simulation, type SimulationSettings } from '../virt/fake/simulation';
import type { PowerState } from '../virt/virt-driver';
import type { FleetMemory, HostMemory } from './fleet-memory';
import { imaginedParts, SimulatedWorkshop } from './simulated-workshop';

export interface SimulatedHostOptions {
  fleet: string;
  /** From 0; with the fleet's name it decides the host's id, its name, its times and its failures. */
  index: number;
  bus: Bus;
  memory: Pick<FleetMemory, 'of'>;
  logger: Logger;
  totals: { vcpus: number; memoryMb: number; diskGb: number };
  simulation: Omit<SimulationSettings, 'seed'>;
  seed: string;
  /** Machines that outlive the agent; without them those that were running are there again. */
  driver?: FakeDriver;
  /** The hosts to which machines can be moved while they run; without it there are none. */
  link?: FakeLink;
}

const STATE_OF: Record<DesiredPower, PowerState> = { running: 1, paused: 3, stopped: 4, suspended: 7 };
/** Larger than any sequence of an earlier life of the fleet, as long as it sends less than a thousand a millisecond. */
const firstSequence = () => Date.now() * 1000;

/** One host of a fleet: the agent's own command runner, journal, reports and heartbeats over a driver that pretends. */
export class SimulatedHost {
  readonly id: string;
  readonly hostname: string;
  readonly driver: FakeDriver;
  private readonly host: InstanceHost;
  private readonly runner: CommandRunner;
  private readonly reports: ReportSender;
  private readonly heartbeat: Heartbeat;
  private served: Served | undefined;
  private sequence = firstSequence();
  private readonly stopping = new AbortController();
  private readonly gateway: Client<typeof agentGatewayContract>;
  private readonly moving: MigrationHost | undefined;

  constructor(private readonly options: SimulatedHostOptions) {
    const { fleet, index, bus, memory, logger, totals, seed } = options;
    this.id = fleetHostId(fleet, index);
    this.hostname = `sim-${fleet}-${String(index + 1).padStart(4, '0')}`;
    const simulation = { ...options.simulation, seed: `${seed}/${fleet}/${index}` };
    const { journal, records } = memory.of(this.id);
    this.driver = options.driver ?? new FakeDriver({ ...simulation, ...totals });
    this.host = { driver: this.driver, store: records, workshop: new SimulatedWorkshop(new Simulation({ ...simulation, seed: `${simulation.seed}/workshop` }), this.hostname) };
    const gateway = this.gateway = bus.client(agentGatewayContract);
    this.reports = new ReportSender((report) => gateway.report(report), journal, logger);
    this.moving = options.link && this.migrationHost(options.link, records, new Simulation({ ...simulation, seed: `${simulation.seed}/migrations` }));
    this.runner = new CommandRunner(this.id, journal, verbTable(this.host, this.moving), (report) => this.reports.deliver(report), logger);
    this.heartbeat = new Heartbeat(() => this.describe(), gateway, () => ++this.sequence, logger);
    this.driver.onResync(() => this.heartbeat.hurry());
    this.driver.onPowerChange((instanceId, powerState, reason) => {
      if (this.runner.isBusy(instanceId)) return;
      records.setDesired(instanceId, 'stopped').catch((error: unknown) => logger.debug({ reason: errorMessage(error) }, 'no such instance here'));
      gateway.instanceEvent({ hostId: this.id, instanceId, powerState, reason, sequence: ++this.sequence }).catch((error: unknown) => {
        logger.warn({ hostId: this.id, instanceId, reason: errorMessage(error) }, 'power change not delivered');
        this.heartbeat.hurry();
      });
    });
  }

  private get migrationUri(): string {
    return `qemu+tls://${this.hostname}/system`;
  }

  private migrationHost(link: FakeLink, records: HostMemory['records'], simulation: Simulation): MigrationHost {
    const { host, driver, gateway } = this;
    const places = (id: string) => ({ instance: `/simulated/${id}`, images: '/simulated/images' });
    link.set(this.migrationUri, driver);
    return {
      ...host, logger: this.options.logger, migrations: new FakeMigrations(driver, link, simulation, (instanceId) => records.left(instanceId)),
      notes: { begun: (id) => records.migrationBegun(id), note: (id, migrationId) => records.noteMigration(id, migrationId) },
      places, placesFor: async (id) => places(id),
      receive: async (spec, signal) => {
        await host.workshop.prepare(spec, signal);
        await records.receive(spec);
      },
      check: async ({ instanceId }) => ({ reasons: (await driver.powerState(instanceId)) === 0 ? [] : ['it has a machine of the instance already'], absentImages: [], sharesDisks: false }),
      dropStream: async () => 0,
      tell: (progress) => gateway.migrationProgress({ hostId: this.id, sequence: ++this.sequence, ...progress }),
    };
  }

  /**
   * @param delayMs before the first heartbeat, so that those of a fleet are spread over time
   * @param booted the whole host was started anew: its machines are off
   */
  async start(delayMs: number, booted = false): Promise<void> {
    if (!this.options.driver) await this.placeMachines();
    this.runner.recover();
    if (booted) {
      const ask = (instanceId: string) => this.gateway.instanceMetadata({ hostId: this.id, instanceId });
      const isHere = (instanceId: string) => isStillHere(() => ask(instanceId), this.options.logger, this.stopping.signal);
      await recoverGuests(this.host, true, (instanceId) => this.runner.isBusy(instanceId), isHere, this.options.logger);
    }
    this.served = await this.options.bus.serve(hostAgentContract, agentHandlers(this.host, this.runner, this.options.logger, undefined, this.moving), { hostId: this.id, concurrency: 32 });
    this.heartbeat.start(delayMs);
  }

  /** True once the control plane has heard of the host. */
  get known(): boolean {
    return this.heartbeat.lastAnswered > 0;
  }

  async stop(): Promise<void> {
    this.stopping.abort(new Error('stopping'));
    await this.heartbeat.stop();
    await this.served?.stop();
    await this.runner.stop(20_000);
    await this.reports.stop();
  }

  /** A restart of the fleet is one of its agents: the machines that they look after ran on. */
  private async placeMachines(): Promise<void> {
    const { store } = this.host;
    for (const instanceId of await store.list()) {
      const spec = await store.spec(instanceId);
      const desired = await store.desired(instanceId);
      if (desired !== undefined) this.driver.place(spec, imaginedParts(spec), STATE_OF[desired]);
    }
  }

  private async describe(): Promise<HostDescription> {
    const { totals } = this.options;
    const [facts, instances, ids] = await Promise.all([this.driver.facts(), this.driver.list(), this.host.store.list()]);
    const flavors = await Promise.all(ids.map(async (id) => (await this.host.store.spec(id)).flavor));
    const sum = (read: (flavor: (typeof flavors)[number]) => number) => flavors.reduce((all, flavor) => all + read(flavor), 0);
    const { hypervisorType, hypervisorVersion, cpuInfo } = facts;
    return {
      facts: {
        hostId: this.id, hostname: this.hostname, hostIp: '127.0.0.1', hypervisorType, hypervisorVersion, cpuInfo, totals, traits: ['CUSTOM_VIRGA_SIMULATED'], simulated: true,
        ...(this.moving && { migrationUri: this.migrationUri }),
      },
      usage: {
        memoryMbUsed: sum(({ memoryMb }) => memoryMb), diskGbUsed: sum(({ rootGb, ephemeralGb }) => rootGb + ephemeralGb),
        runningInstances: instances.filter(({ powerState }) => powerState === 1).length, load: '0.00, 0.00, 0.00',
      },
      instances,
    };
  }
}
