import type { AgentConfig } from '../config';
import type { ImageCache } from '../disks/image-cache';
import type { MetadataNetworks } from '../metadata/metadata-networks';
import type { OpenVSwitchClient } from '@virga/ovsdb';
import type { VirtDriver } from '../virt/virt-driver';
import type { InstanceStore } from './instance-store';

/** What the verbs of an instance work with on this host. */
export interface InstanceHost {
  config: AgentConfig;
  driver: VirtDriver;
  store: InstanceStore;
  images: ImageCache;
  ovs: OpenVSwitchClient;
  metadataNetworks: MetadataNetworks;
  /** Documents of the metadata service, path to base64, from the control plane. */
  fetchDocuments(instanceId: string): Promise<Record<string, string>>;
}
