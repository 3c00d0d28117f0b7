import type { BuildSpec, ImageFacts } from '@virga/contracts';
import type { GuestParts } from '../virt/virt-driver';

/** Another host and where its server answers. */
export interface DiskSource { hostId: string; agentUrl?: string }

export interface WorkshopHoldings {
  taps: { name: string; instanceId: string }[];
  metadataNetworks: string[];
  baseImages: { inUse: string[]; idle: string[] };
  /** What no instance here needs. */
  loose: { taps: string[]; metadataNetworks: string[]; metadataProxies: number };
}

/** What a host makes around a machine: disks and files, network cards, serial output. Every verb bears a repeat. */
export interface HostWorkshop {
  /** Disks and files of the guest, made or found, and its cards connected. */
  prepare(spec: BuildSpec, signal: AbortSignal): Promise<GuestParts>;
  /** Removes the guest's disks, all or all but the ephemeral ones; `prepare` makes them anew. The guest must be off. */
  discardDisks(spec: BuildSpec, options: { keepEphemeral: boolean }): Promise<void>;
  /** Brings the root disk, flattened, to the image service. `copy` makes the file when the guest is on; without it the disk lies still. */
  saveImage(spec: BuildSpec, imageId: string, copy: ((path: string) => Promise<void>) | undefined, signal: AbortSignal): Promise<void>;
  /** Throws when the guest's disks could not lie here. */
  assertRoom(spec: BuildSpec): Promise<void>;
  /** Fetches the disks that were put aside, on `from` or here, for the directory of the instance, and makes them as large as the spec says. */
  receiveDisks(spec: BuildSpec, from: DiskSource | undefined, signal: AbortSignal): Promise<void>;
  /** Throws when the guest's own disk is not here: `prepare` would make an empty one. */
  assertDisks(spec: BuildSpec): Promise<void>;
  /** The guest's cards on the switch; they live no longer than the host. */
  connect(spec: BuildSpec): Promise<void>;
  /** Resolves when the network has set up every card; throws when that takes too long. */
  untilConnected(spec: BuildSpec, signal: AbortSignal): Promise<void>;
  /** Takes the instance's cards away; none left is success. */
  disconnect(instanceId: string): Promise<void>;
  /** Takes one card away; a missing one is success. */
  disconnectPort(portId: string): Promise<void>;
  /** What is there of cards, metadata services and base images, whoever it belongs to. */
  holdings(): Promise<WorkshopHoldings>;
  /** Takes away what no instance on this host needs any more. */
  tidy(): Promise<void>;
  /** Has the images here for guests to come. Throws when one cannot be had; the others are tried all the same. */
  fetchImages(images: ImageFacts[]): Promise<void>;
  /** The guest's serial output, the last `lines` lines of it when asked. */
  consoleOutput(instanceId: string, lines?: number): Promise<Buffer>;
}
