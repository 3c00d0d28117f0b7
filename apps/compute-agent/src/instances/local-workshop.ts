import { access, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BuildSpec, ImageFacts } from '@virga/contracts';
import { badRequest, conflict, isUuid } from '@virga/core';
import type { HostAddress, HostConnection } from '@virga/mutual-tls';
import type { OpenVSwitchClient } from '@virga/ovsdb';
import { readConsoleLog } from '../consoles/console-log';
import { cachedName, type ImageCache } from '../disks/image-cache';
import { uploadImage, type UploadTicket } from '../disks/image-upload';
import { diskBytes, flattenRootDisk, GIB, removeDisks } from '../disks/instance-disks';
import { localDisks, receiveDisks, remoteDisks } from '../disks/receive-disks';
import type { MetadataNetworks } from '../metadata/metadata-networks';
import { instanceTaps, plugTap, removeTap, tapLinks, tapName, waitUntilWired } from '../nics/taps';
import type { GuestParts } from '../virt/virt-driver';
import { CONSOLE_LOG, prepareGuestParts } from './guest-parts';
import type { DiskSource, HostWorkshop, WorkshopHoldings } from './host-workshop';
import type { InstanceStore } from './instance-store';

export interface LocalWorkshopOptions {
  store: InstanceStore;
  images: ImageCache;
  ovs: OpenVSwitchClient;
  metadataNetworks: MetadataNetworks;
  /** Connections to the servers of other hosts. */
  reach(host: HostAddress): Pick<HostConnection, 'request'>;
  /** How long OVN may take to set up a port. */
  portTimeoutSeconds: number;
  /** Whether guests show their screens by SPICE, too. */
  spice: boolean;
  /** Other hosts may have the instances' disks, too. */
  sharedDisks?: boolean;
  /** Of serial output, at most. */
  consoleBytes: number;
  /** Leave to bring an image's data to the image service. */
  requestUpload(imageId: string, sizeBytes: number): Promise<UploadTicket>;
  /** Documents of the metadata service, path to base64, from the control plane. */
  fetchDocuments(instanceId: string): Promise<Record<string, string>>;
}

/** Disks in the instances' directories, taps on this machine's Open vSwitch. */
export class LocalWorkshop implements HostWorkshop {
  constructor(private readonly options: LocalWorkshopOptions) {}

  async prepare(spec: BuildSpec, signal: AbortSignal): Promise<GuestParts> {
    const { store, images, spice, sharedDisks = false, fetchDocuments } = this.options;
    const documents = await fetchDocuments(spec.instanceId);
    await store.saveDocuments(spec.instanceId, documents);
    signal.throwIfAborted();
    const [parts] = await Promise.all([prepareGuestParts({ dir: store.dir(spec.instanceId), images, spice, sharedDisks }, spec, documents, signal), this.connect(spec)]);
    return parts;
  }

  async fetchImages(images: ImageFacts[]): Promise<void> {
    const failed = (await Promise.allSettled(images.map((image) => this.options.images.ensure(image)))).find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  }

  discardDisks({ instanceId }: BuildSpec, { keepEphemeral }: { keepEphemeral: boolean }): Promise<void> {
    return removeDisks(this.options.store.dir(instanceId), { ephemeral: !keepEphemeral });
  }

  async saveImage({ instanceId }: BuildSpec, imageId: string, copy: ((path: string) => Promise<void>) | undefined, signal: AbortSignal): Promise<void> {
    if (!isUuid(imageId)) throw badRequest('The id of the image is no UUID.');
    const dir = this.options.store.dir(instanceId);
    const path = join(dir, `image.${imageId}`);
    await rm(path, { force: true });
    try {
      await (copy ? copy(path) : flattenRootDisk(dir, path, signal));
      signal.throwIfAborted();
      await uploadImage(path, (sizeBytes) => this.options.requestUpload(imageId, sizeBytes), signal);
    } finally {
      await rm(path, { force: true });
    }
  }

  async assertRoom(spec: BuildSpec): Promise<void> {
    const { bavail, bsize } = await statfs(dirname(this.options.store.dir(spec.instanceId)));
    const free = bavail * bsize;
    const needed = diskBytes(spec);
    if (needed > free) throw conflict(`The guest's disks may need ${Math.ceil(needed / GIB)} GB, and ${Math.floor(free / GIB)} GB are free on this host.`);
  }

  async receiveDisks(spec: BuildSpec, from: DiskSource | undefined, signal: AbortSignal): Promise<void> {
    const { store, images, reach } = this.options;
    const { instanceId } = spec;
    if (from && from.agentUrl === undefined) throw conflict('The host that has the disks does not tell where it can be reached.');
    const source = from ? remoteDisks(reach({ hostId: from.hostId, agentUrl: from.agentUrl! }), instanceId) : localDisks(store.asideDir(instanceId));
    const base = await images.ensure(spec.image);
    signal.throwIfAborted();
    await receiveDisks({ dir: store.dir(instanceId), base, spec, source, signal });
  }

  async assertDisks({ instanceId }: BuildSpec): Promise<void> {
    await access(join(this.options.store.dir(instanceId), 'disk')).catch(() => { throw conflict(`The disk of instance ${instanceId} is not on this host.`); });
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
    const { ovs, store } = this.options;
    // A crash may have left a card that is not plugged yet, or no more: those the instance's own description tells.
    const spec = await store.spec(instanceId).catch(() => undefined);
    const plugged = (await instanceTaps(ovs)).filter((tap) => tap.instanceId === instanceId);
    for (const name of new Set([...plugged.map((tap) => tap.name), ...(spec?.ports.map(({ portId }) => tapName(portId)) ?? [])])) await removeTap(ovs, name);
  }

  disconnectPort(portId: string): Promise<void> {
    return removeTap(this.options.ovs, tapName(portId));
  }

  /** Cards that a crash has left without an instance, and metadata ports of networks without a guest on this host. */
  async tidy(): Promise<void> {
    const { ovs, metadataNetworks } = this.options;
    // What was there before the instances were read belongs to one of them, or to none.
    const links = await tapLinks();
    const needs = await this.needs();
    for (const name of links) {
      if (!needs.taps.has(name)) await removeTap(ovs, name);
    }
    await metadataNetworks.keepOnly(needs.networks);
  }

  /** What the instances in the store use; their directories are made before anything else of theirs. */
  private async needs(): Promise<{ taps: Set<string>; networks: Set<string>; images: Set<string> }> {
    const { store } = this.options;
    const specs = (await Promise.all((await store.list()).map((id) => store.spec(id).catch(() => undefined)))).flatMap((spec) => spec ?? []);
    // What is kept aside has no cards, and may be a guest again.
    const built = [...specs, ...(await store.asideSpecs())];
    const ports = specs.flatMap((spec) => spec.ports);
    return {
      taps: new Set(ports.map(({ portId }) => tapName(portId))),
      networks: new Set(ports.map(({ networkId }) => networkId)),
      images: new Set(built.flatMap(({ image, kernelImage, ramdiskImage }) => [image, kernelImage, ramdiskImage]).flatMap((image) => (image && cachedName(image)) ?? [])),
    };
  }

  async holdings(): Promise<WorkshopHoldings> {
    const { images, ovs, metadataNetworks } = this.options;
    const [links, plugged, networks, files] = [await tapLinks(), await instanceTaps(ovs), await metadataNetworks.present(), await images.list()];
    const needs = await this.needs();
    const owned = new Set(plugged.map(({ name }) => name));
    return {
      taps: plugged.map(({ name, instanceId }) => ({ name, instanceId })),
      metadataNetworks: networks,
      baseImages: { inUse: files.filter((file) => needs.images.has(file)), idle: files.filter((file) => !needs.images.has(file)) },
      loose: {
        taps: links.filter((name) => !needs.taps.has(name) && !owned.has(name)),
        metadataNetworks: networks.filter((id) => !needs.networks.has(id)),
        metadataProxies: await metadataNetworks.superfluousProxies(),
      },
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
