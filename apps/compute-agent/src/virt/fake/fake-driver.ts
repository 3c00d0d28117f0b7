import { POWER_STATE, type BuildSpec } from '@virga/contracts';
import { conflict, notFound } from '@virga/core';
import type { GuestNic, GuestParts, PowerState, VirtDriver } from '../virt-driver';
import { fakeDiagnostics } from './fake-diagnostics';
import { Simulation, type SimulatedVerb, type SimulationSettings } from './simulation';

export interface FakeDriverOptions extends SimulationSettings {
  vcpus: number;
  memoryMb: number;
}

/** A machine that exists in memory only. */
export interface FakeMachine {
  spec: BuildSpec;
  parts: GuestParts;
  powerState: PowerState;
  /** Milliseconds since the epoch of the last start. */
  startedAt: number;
  /** True when the guest itself turned it off last. */
  endedByGuest: boolean;
}

const { noState, running, paused, shutdown, crashed, suspended } = POWER_STATE;

/** Machines that only pretend: verbs take simulated time and fail as the seed says; nothing runs. */
export class FakeDriver implements VirtDriver {
  private readonly machines = new Map<string, FakeMachine>();
  private readonly simulation: Simulation;
  private readonly powerListeners: ((instanceId: string, powerState: PowerState, reason: string) => void)[] = [];
  private readonly resyncListeners: (() => void)[] = [];
  ready = true;

  constructor(private readonly options: FakeDriverOptions) {
    this.simulation = new Simulation(options);
  }

  async define(spec: BuildSpec, parts: GuestParts): Promise<void> {
    await this.simulation.perform('define');
    const known = this.machines.get(spec.instanceId);
    if (known) Object.assign(known, { spec, parts });
    else this.place(spec, parts, shutdown);
  }

  /** A machine as it was before the process that pretends it was started anew. */
  place(spec: BuildSpec, parts: GuestParts, powerState: PowerState): void {
    this.machines.set(spec.instanceId, { spec, parts, powerState, startedAt: this.simulation.now(), endedByGuest: false });
  }

  start(instanceId: string): Promise<void> {
    return this.change('start', instanceId, (machine) => {
      if (machine.powerState === running) return;
      if (machine.powerState !== paused) Object.assign(machine, { startedAt: this.simulation.now(), endedByGuest: false });
      machine.powerState = running;
    });
  }

  stop(instanceId: string, timeoutSeconds: number): Promise<void> {
    return this.change('stop', instanceId, (machine) => {
      machine.endedByGuest ||= machine.powerState === running && timeoutSeconds > 0;
      machine.powerState = shutdown;
    });
  }

  powerOff(instanceId: string): Promise<void> {
    return this.change('stop', instanceId, (machine) => { machine.powerState = shutdown; });
  }

  pause(instanceId: string): Promise<void> {
    return this.change('pause', instanceId, (machine) => this.move(machine, [running, paused], paused));
  }

  unpause(instanceId: string): Promise<void> {
    return this.change('unpause', instanceId, (machine) => this.move(machine, [paused, running], running));
  }

  suspend(instanceId: string): Promise<void> {
    return this.change('suspend', instanceId, (machine) => this.move(machine, [running, paused, suspended], suspended));
  }

  attachNic(instanceId: string, nic: GuestNic): Promise<void> {
    return this.change('attach', instanceId, (machine) => {
      machine.parts = { ...machine.parts, nics: [...machine.parts.nics.filter(({ macAddress }) => macAddress !== nic.macAddress), nic] };
    });
  }

  detachNic(instanceId: string, macAddress: string): Promise<void> {
    return this.change('detach', instanceId, (machine) => {
      machine.parts = { ...machine.parts, nics: machine.parts.nics.filter((nic) => nic.macAddress !== macAddress) };
    });
  }

  copyRootDisk(instanceId: string): Promise<void> {
    return this.change('copy', instanceId, (machine) => this.move(machine, [running, paused], machine.powerState));
  }

  async remove(instanceId: string): Promise<void> {
    await this.simulation.perform('remove');
    this.machines.delete(instanceId);
  }

  async powerState(instanceId: string): Promise<PowerState> {
    return this.machines.get(instanceId)?.powerState ?? noState;
  }

  async list(): Promise<{ instanceId: string; powerState: PowerState }[]> {
    return [...this.machines].map(([instanceId, { powerState }]) => ({ instanceId, powerState }));
  }

  /** The instances whose machine runs at this moment. */
  running(): string[] {
    return [...this.machines].flatMap(([instanceId, { powerState }]) => (powerState === running ? [instanceId] : []));
  }

  async facts(): ReturnType<VirtDriver['facts']> {
    const { vcpus, memoryMb } = this.options;
    return {
      hypervisorType: 'fake', hypervisorVersion: 1_000_000, vcpus, memoryMb,
      cpuInfo: JSON.stringify({ arch: 'x86_64', model: 'simulated', vendor: 'simulated', topology: { sockets: 1, cores: vcpus, threads: 1 }, features: [] }),
    };
  }

  async diagnostics(instanceId: string): Promise<Record<string, unknown>> {
    return fakeDiagnostics(this.machine(instanceId), this.simulation.now());
  }

  onPowerChange(listener: (instanceId: string, powerState: PowerState, reason: string) => void): void {
    this.powerListeners.push(listener);
  }

  onResync(listener: () => void): void {
    this.resyncListeners.push(listener);
  }

  async close(): Promise<void> {
    this.machines.clear();
  }

  /** The machine turns itself off. */
  turnOffInside(instanceId: string): void {
    Object.assign(this.machine(instanceId), { powerState: shutdown, endedByGuest: true });
    this.tell(instanceId, shutdown, 'the guest shut down');
  }

  /** The machine breaks. */
  crash(instanceId: string): void {
    this.machine(instanceId).powerState = crashed;
    this.tell(instanceId, crashed, 'the machine crashed');
  }

  /** Memory of a machine, MB. */
  memoryOf(instanceId: string): number {
    return this.machine(instanceId).spec.flavor.memoryMb;
  }

  /** A machine that is on goes on at another host as it was here; between two moments it is on neither, and never on both. */
  moveTo(other: FakeDriver, instanceId: string): void {
    const machine = this.machine(instanceId);
    this.move(machine, [running, paused], machine.powerState);
    this.machines.delete(instanceId);
    other.machines.set(instanceId, machine);
  }

  /** The host has lost its power, and nobody is there to tell of it; what was suspended lies on disk. */
  losePower(): void {
    for (const machine of this.machines.values()) if (machine.powerState !== suspended) machine.powerState = shutdown;
  }

  /** The hypervisor was away for a moment; its machines ran on. */
  blink(): void {
    for (const listener of this.resyncListeners) listener();
  }

  endedByGuest(instanceId: string): boolean {
    return this.machine(instanceId).endedByGuest;
  }

  private machine(instanceId: string): FakeMachine {
    const machine = this.machines.get(instanceId);
    if (!machine) throw notFound(`Instance ${instanceId} has no machine on this host.`);
    return machine;
  }

  /** The state counts when the time is over: whoever was faster has changed it. */
  private async change(verb: SimulatedVerb, instanceId: string, act: (machine: FakeMachine) => void): Promise<void> {
    this.machine(instanceId);
    await this.simulation.perform(verb);
    act(this.machine(instanceId));
  }

  private move(machine: FakeMachine, from: readonly PowerState[], to: PowerState): void {
    if (!from.includes(machine.powerState)) throw conflict(`Instance ${machine.spec.instanceId} cannot be changed so in its present power state.`);
    machine.powerState = to;
  }

  private tell(instanceId: string, powerState: PowerState, reason: string): void {
    for (const listener of this.powerListeners) listener(instanceId, powerState, reason);
  }
}
