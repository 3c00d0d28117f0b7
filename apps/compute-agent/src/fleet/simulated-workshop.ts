import type { BuildSpec } from '@virga/contracts';
import { notImplemented } from '@virga/core';
import type { HostWorkshop, WorkshopHoldings } from '../instances/host-workshop';
import type { Simulation } from '../virt/fake/simulation';
import type { GuestParts } from '../virt/virt-driver';

/** Parts as they would be; none of the paths exists. */
export const imaginedParts = ({ instanceId, flavor, configDrive, ports }: BuildSpec): GuestParts => {
  const at = (name: string) => `simulated:${instanceId}/${name}`;
  return {
    rootDisk: { path: at('disk'), backing: { path: 'simulated:image', format: 'raw' } },
    ephemeralDisks: flavor.ephemeralGb > 0 ? [at('disk.eph0')] : [],
    ...(flavor.swapMb > 0 && { swapDisk: at('disk.swap') }),
    ...(configDrive && { configDrive: at('disk.config') }),
    nics: ports.map(({ portId, macAddress, mtu }) => ({ portId, macAddress, mtu, tap: 'simulated' })),
    consoleLog: at('console.log'), serialSocket: at('serial.sock'), vncSocket: at('vnc.sock'),
  };
};

/** Makes nothing, takes the time that it would take: no disks, no cards, no image is fetched. */
export class SimulatedWorkshop implements HostWorkshop {
  constructor(private readonly simulation: Simulation, private readonly hostname: string) {}

  async prepare(spec: BuildSpec, signal: AbortSignal): Promise<GuestParts> {
    await this.simulation.perform('prepare', signal);
    return imaginedParts(spec);
  }

  async discardDisks(): Promise<void> { /* there is no disk */ }

  async saveImage(): Promise<void> {
    throw notImplemented('A simulated host has no disk that could become an image.');
  }

  async assertRoom(): Promise<void> { /* the claim has counted it */ }

  receiveDisks(_spec: BuildSpec, _from: unknown, signal: AbortSignal): Promise<void> {
    return this.simulation.perform('copy', signal);
  }

  async assertDisks(): Promise<void> { /* there is no disk */ }

  connect(): Promise<void> {
    return this.simulation.perform('connect');
  }

  async untilConnected(): Promise<void> { /* connect has waited */ }

  async disconnect(): Promise<void> { /* there is no card */ }

  async disconnectPort(): Promise<void> { /* there is no card */ }

  async tidy(): Promise<void> { /* there is nothing to tidy */ }

  async fetchImages(): Promise<void> { /* there is no cache */ }

  async holdings(): Promise<WorkshopHoldings> {
    return { taps: [], metadataNetworks: [], baseImages: { inUse: [], idle: [] }, loose: { taps: [], metadataNetworks: [], metadataProxies: 0 } };
  }

  async consoleOutput(instanceId: string): Promise<Buffer> {
    return Buffer.from(`Simulated: instance ${instanceId} on ${this.hostname} has no guest that could write here.\n`);
  }
}
