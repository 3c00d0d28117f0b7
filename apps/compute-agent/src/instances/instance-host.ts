import type { BuildSpec } from '@virga/contracts';
import type { VirtDriver } from '../virt/virt-driver';
import type { HostWorkshop } from './host-workshop';

/** What the cloud wants of a guest on this host; after the host has booted, this is brought about again. */
export type DesiredPower = 'running' | 'stopped' | 'paused' | 'suspended';

/** What a host remembers of its instances, across restarts of the agent. */
export interface InstanceRecords {
  create(spec: BuildSpec): Promise<unknown>;
  /** Throws notFound. */
  spec(instanceId: string): Promise<BuildSpec>;
  desired(instanceId: string): Promise<DesiredPower | undefined>;
  setDesired(instanceId: string, power: DesiredPower): Promise<void>;
  list(): Promise<string[]>;
  /** With all that is kept of the instance; a missing one is success. What was put aside stays. */
  remove(instanceId: string, options?: { /** Those on shared storage stay, for another host. */ keepDisks?: boolean }): Promise<void>;
  /** The guest runs here from now on: its disks, where hosts have them in common, are this host's. */
  adopt(instanceId: string): Promise<void>;
  /** Instances of which something was put aside: they are not in the list for it. */
  listAside(): Promise<string[]>;
  aside(instanceId: string): Promise<AsideNote | undefined>;
  /** All that is kept of the instance, at once; it is no longer in the list. */
  putAside(instanceId: string, note: AsideNote): Promise<void>;
  /** The other way round. */
  bringBack(instanceId: string): Promise<void>;
  /** Nothing is success. */
  discardAside(instanceId: string): Promise<void>;
}

/** Why something was put aside, and which other host may read its disks. */
export interface AsideNote { migrationId: string; toHostId?: string }

/** What the verbs of an instance work with on this host. */
export interface InstanceHost {
  driver: VirtDriver;
  store: InstanceRecords;
  workshop: HostWorkshop;
}
