import type { agentGatewayContract, BuildSpec, GuestPlaces } from '@virga/contracts';
import type { Logger } from '@virga/core';
import type { MethodInput } from '@virga/rpc';
import type { InstanceHost } from '../instances/instance-host';
import type { MigrationDriver } from '../virt/virt-driver';

type Progress = MethodInput<(typeof agentGatewayContract)['methods']['migrationProgress']>;

/** What a host needs to send guests away and to receive them. */
export interface MigrationHost extends InstanceHost {
  migrations: MigrationDriver;
  /** Which migration of the instance was begun here last, across restarts of the agent. */
  notes: { begun(instanceId: string): Promise<string | undefined>; note(instanceId: string, migrationId: string): Promise<void> };
  places(instanceId: string): GuestPlaces;
  /** As `places`, with what this host finds of the host from which the guest comes on the storage of its disks. */
  placesFor(instanceId: string, comesFrom: string | undefined): Promise<GuestPlaces>;
  /** What this host has left on the storage of the instance's disks, if others may have that, too. */
  storageMark?(instanceId: string): Promise<string | undefined>;
  /** Directory, empty disks and cards for a guest that comes. */
  receive(spec: BuildSpec, signal: AbortSignal): Promise<void>;
  /** Reasons for which the guest cannot come, and images that would have to be fetched. */
  check(spec: BuildSpec, comesFrom?: { hostId: string; storageMark?: string }): Promise<{ reasons: string[]; absentImages: string[]; sharesDisks: boolean }>;
  /** Brings the guest's config drive to the host that it goes to. */
  carryConfigDrive?(instanceId: string, to: GuestPlaces, signal: AbortSignal): Promise<void>;
  /** Brings what the guest has printed to the host that it is on now; never fails. */
  carryLog?(instanceId: string, to: GuestPlaces): Promise<void>;
  /** Closes connections by which memory of a guest that runs here already still comes in; how many there were. */
  dropStream(instanceId: string): Promise<number>;
  /** Whether the machine has a connection by which its memory comes or goes, whatever the hypervisor's daemon believes. */
  streaming?(instanceId: string): Promise<boolean>;
  /** Keeps resets from the connections by which memory of a switched guest still travels. Does not fail: without it the guest moves on all the same. */
  shield?(instanceId: string): Promise<void>;
  tell(progress: Omit<Progress, 'hostId' | 'sequence'>): Promise<{ forced: boolean }>;
  logger: Logger;
  /** Between two looks at a running migration, ms. */
  lookMs?: number;
  /** How long a guest that is on its way here is waited for, ms. */
  arrivalMs?: number;
}

