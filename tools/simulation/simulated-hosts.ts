import type { CommandReport, HostCommand } from '@virga/contracts';
import { agentGatewayContract, hostAgentContract } from '@virga/contracts';
import { fleetHostId, fleetUser, type Bus, type Contract, type Handlers } from '@virga/rpc';
import { hostMemory, type HostMemory, type HostRecord } from '../../apps/compute-agent/src/fleet/fleet-memory';
import { SimulatedHost } from '../../apps/compute-agent/src/fleet/simulated-host';
import { FakeDriver } from '../../apps/compute-agent/src/virt/fake/fake-driver';
import type { FakeLink } from '../../apps/compute-agent/src/virt/fake/fake-migrations';
import type { SimulationSettings } from '../../apps/compute-agent/src/virt/fake/simulation';
import { never, currentProcess, SimulatedProcess, type ProcessSpec } from './simulated-process';
import { simulatedBus } from './simulated-bus';
import type { World } from './world';

export const FLEET = 'sim';
const TOTALS = { vcpus: 64, memoryMb: 65_536, diskGb: 1000 };
const SLOW_DISK_MS = 3000;

/** What a planted bug may do to a host: to what its disk says when its agent begins, and to what the agent knows. */
export interface SpoiledHost {
  records?(records: HostRecord[]): HostRecord[];
  memory?(memory: HostMemory): void;
}

/** A host of one schedule: its machines and its disk outlive its agent; its agent is the product's own, over a driver that pretends. */
export class PlayedHost {
  readonly id: string;
  readonly driver: FakeDriver;
  private readonly records: HostRecord[] = [];
  private process: SimulatedProcess | undefined;
  private memory: HostMemory | undefined;
  /** Commands in the order in which they were begun, and those that it has told the end of. */
  readonly begun: HostCommand[] = [];
  /** Taken from the broker while nothing newer of the instance was known. */
  readonly taken = new Map<string, HostCommand>();
  readonly told = new Set<string>();

  constructor(private readonly world: World, private readonly index: number, private readonly simulation: SimulationSettings, private readonly link: FakeLink, private readonly spoil: SpoiledHost = {}) {
    this.id = fleetHostId(FLEET, index);
    this.driver = new FakeDriver({ ...simulation, ...TOTALS });
  }

  /** The agent begins, with what its disk says. */
  start(spec: ProcessSpec, booted: boolean): SimulatedProcess {
    const process = this.process = new SimulatedProcess(spec);
    void process.run(async () => {
      const memory = this.memory = hostMemory(this.spoil.records?.(this.records) ?? this.records, (record) => this.write(record));
      this.spoil.memory?.(memory);
      const host = new SimulatedHost({
        fleet: FLEET, index: this.index, bus: this.watched(simulatedBus(this.world.broker.connect(fleetUser(FLEET))), memory), memory: { of: () => memory }, logger: this.world.logger,
        totals: TOTALS, simulation: this.simulation, seed: this.simulation.seed, driver: this.driver, link: this.link,
      });
      await host.start(0, booted);
    });
    return process;
  }

  get alive(): boolean {
    return this.process?.dead === false;
  }

  /** True while it works on a command, or has not got rid of what it has to tell. */
  get busy(): boolean {
    return this.memory !== undefined && this.memory.journal.unfinished().length + this.memory.journal.undelivered().length > 0;
  }

  /** Without counting it as a crash. */
  end(): void {
    if (!this.process) return;
    this.process.spec.crash = undefined;
    this.process.kill();
  }

  calm(): void {
    if (this.process) this.process.calm = true;
  }

  private async write(record: HostRecord): Promise<void> {
    const process = currentProcess();
    const fault = process?.draw(['delayed']);
    if (process?.dead) return never();
    if (fault) await new Promise<void>((resolve) => { setTimeout(resolve, process!.random.below(SLOW_DISK_MS)); });
    // Its disk has it before the process knows.
    this.records.push(record);
    if (record.kind === 'begin') this.begun.push(record.command);
    await Promise.resolve();
    if (process?.dead) return never();
    return undefined;
  }

  /** Sees what the host takes and tells. */
  private watched(bus: Bus, memory: HostMemory): Bus {
    return {
      ...bus,
      connected: true,
      client: (contract, target) => {
        const client = bus.client(contract, target);
        if ((contract as Contract) !== (agentGatewayContract as Contract)) return client;
        const { report } = client as unknown as { report(report: CommandReport): Promise<unknown> };
        return { ...client, report: (told: CommandReport) => { this.told.add(told.commandId); return report(told); } };
      },
      serve: (contract, handlers, options) => {
        if ((contract as Contract) !== (hostAgentContract as Contract)) return bus.serve(contract, handlers, options);
        const { execute } = handlers as unknown as { execute(command: HostCommand, meta: unknown): Promise<void> };
        return bus.serve(contract, {
          ...handlers,
          execute: async (command: HostCommand, meta: unknown) => {
            await execute(command, meta);
            // An older one is refused without a word, also when the newer one was only being written as it came.
            if (command.generation >= memory.journal.generation(command.instanceId)) this.taken.set(command.commandId, command);
          },
        } as Handlers<typeof contract>, options);
      },
    };
  }
}
