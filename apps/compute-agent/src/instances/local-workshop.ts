import { join } from 'node:path';
import type { BuildSpec } from '@virga/contracts';
import type { OpenVSwitchClient } from '@virga/ovsdb';
import { readConsoleLog } from '../consoles/console-log';
import { cachedName, type ImageCache } from '../disks/image-cache';
import type { MetadataNetworks } from '../metadata/metadata-networks';
import { instanceTaps, plugTap, removeTap, waitUntilWired } from '../nics/taps';
import type { GuestParts } from '../virt/virt-driver';
import { CONSOLE_LOG, prepareGuestParts } from './guest-parts';
import type { HostWorkshop, WorkshopHoldings } from './host-workshop';
import type { InstanceStore } from './instance-store';

export interface LocalWorkshopOptions {
  store: InstanceStore;
  images: ImageCache;
  ovs: OpenVSwitchClient;
  metadataNetworks: MetadataNetworks;
  /** How long OVN may take to set up a port. */
  portTimeoutSeconds: number;
  /** Of serial output, at most. */
  consoleBytes: number;
  /** Documents of the metadata service, path to base64, from the control plane. */
  fetchDocuments(instanceId: string): Promise<Record<string, string>>;
}

/** Disks in the instances' directories, taps on this machine's Open vSwitch. */
export class LocalWorkshop implements HostWorkshop {
  constructor(private readonly options: LocalWorkshopOptions) {}

  async prepare(spec: BuildSpec, signal: AbortSignal): Promise<GuestParts> {
    const { store, images, fetchDocuments } = this.options;
    const documents = await fetchDocuments(spec.instanceId);
    await store.saveDocuments(spec.instanceId, documents);
    signal.throwIfAborted();
    const [parts] = await Promise.all([prepareGuestParts({ dir: store.dir(spec.instanceId), images }, spec, documents, signal), this.connect(spec)]);
    return parts;
  }

  /** Taps on the bridge and the metadata service on the guest's networks. */
  async connect(spec: BuildSpec): Promise<void> {
    for (const port of spec.ports) await plugTap(this.options.ovs, spec.instanceId, port);
    await this.options.metadataNetworks.ensure(spec.ports);
  }

  untilConnected(spec: BuildSpec, signal: AbortSignal): Promise<void> {
    return waitUntilWired(this.options.ovs, spec.ports, this.options.portTimeoutSeconds, signal);
  }

  async disconnect(instanceId: string): Promise<void> {
    const { ovs } = this.options;
    for (const tap of await instanceTaps(ovs)) if (tap.instanceId === instanceId) await removeTap(ovs, tap.name);
  }

  /** Networks without a guest on this host need no metadata port here. */
  async tidy(): Promise<void> {
    const { store, metadataNetworks } = this.options;
    const specs = await Promise.all((await store.list()).map((id) => store.spec(id).catch(() => undefined)));
    await metadataNetworks.keepOnly(new Set(specs.flatMap((spec) => spec?.ports.map(({ networkId }) => networkId) ?? [])));
  }

  async holdings(): Promise<WorkshopHoldings> {
    const { store, images, ovs, metadataNetworks } = this.options;
    const specs = await Promise.all((await store.list()).map((id) => store.spec(id).catch(() => undefined)));
    const needed = new Set(specs.flatMap((spec) => (spec ? [spec.image, spec.kernelImage, spec.ramdiskImage] : [])).flatMap((image) => (image ? [cachedName(image)] : [])));
    const files = await images.list();
    return {
      taps: (await instanceTaps(ovs)).map(({ name, instanceId }) => ({ name, instanceId })),
      metadataNetworks: await metadataNetworks.present(),
      baseImages: { inUse: files.filter((file) => needed.has(file)), idle: files.filter((file) => !needed.has(file)) },
    };
  }

  async consoleOutput(instanceId: string, lines?: number): Promise<Buffer> {
    const { store, consoleBytes } = this.options;
    await store.spec(instanceId);
    return readConsoleLog(join(store.dir(instanceId), CONSOLE_LOG), consoleBytes, lines);
  }

  /** Taps of instances that this host does not know, e.g. removed while the agent was away; returns their names. */
  async removeStrays(): Promise<{ tap: string; instanceId: string }[]> {
    const { store, ovs } = this.options;
    const known = new Set(await store.list());
    const strays = (await instanceTaps(ovs)).filter(({ instanceId }) => !known.has(instanceId));
    for (const { name } of strays) await removeTap(ovs, name);
    return strays.map(({ name, instanceId }) => ({ tap: name, instanceId }));
  }
}
