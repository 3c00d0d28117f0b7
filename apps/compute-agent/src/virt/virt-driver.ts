import type { BuildSpec, GuestPlaces, MigrationStanding, POWER_STATE } from '@virga/contracts';

export type PowerState = (typeof POWER_STATE)[keyof typeof POWER_STATE];

/** A network card of a guest. */
export interface GuestNic { portId: string; tap: string; macAddress: string; mtu: number }

/** Files and devices that are ready for the guest when its machine is defined. */
export interface GuestParts {
  rootDisk: { path: string; backing: { path: string; format: 'qcow2' | 'raw' } };
  ephemeralDisks: string[];
  swapDisk?: string;
  configDrive?: string;
  /** Other hosts may read and write the disks, too, one at a time. */
  sharedDisks?: boolean;
  kernel?: { path: string; commandLine: string };
  ramdisk?: { path: string };
  nics: GuestNic[];
  consoleLog: string;
  /** Sockets of the serial line and of the screen, in the instance's own directory. */
  serialSocket: string;
  vncSocket: string;
  /** Absent where the host's screens are shown by VNC alone. */
  spiceSocket?: string;
}

/** A machine's life. Every verb is idempotent: what is so already is success. */
export interface LifecycleDriver {
  define(spec: BuildSpec, parts: GuestParts): Promise<void>;
  /** Also continues a suspended one. */
  start(instanceId: string): Promise<void>;
  /** Asks by ACPI, waits, then cuts the power. */
  stop(instanceId: string, timeoutSeconds: number): Promise<void>;
  powerOff(instanceId: string): Promise<void>;
  pause(instanceId: string): Promise<void>;
  unpause(instanceId: string): Promise<void>;
  /** Memory to disk, then off. */
  suspend(instanceId: string): Promise<void>;
  /** The machine and all that the hypervisor keeps of it; a missing one is success. */
  remove(instanceId: string): Promise<void>;
  /** noState when there is no such machine. */
  powerState(instanceId: string): Promise<PowerState>;
  list(): Promise<{ instanceId: string; powerState: PowerState }[]>;
}

export interface HostDriver {
  facts(): Promise<{ hypervisorType: string; hypervisorVersion: number; vcpus: number; memoryMb: number; cpuInfo: string }>;
  diagnostics(instanceId: string): Promise<Record<string, unknown>>;
  /** Called when a machine changed its power state by itself. */
  onPowerChange(listener: (instanceId: string, powerState: PowerState, reason: string) => void): void;
  /** Called when events may have been missed. */
  onResync(listener: () => void): void;
  readonly ready: boolean;
  close(): Promise<void>;
}

/** Cards of a machine that is there, on or off: what changes now is so at its next start, too. Idempotent. */
export interface NicDriver {
  attachNic(instanceId: string, nic: GuestNic): Promise<void>;
  /** Resolves when a running guest has let go of the card; a card that it does not have is success. */
  detachNic(instanceId: string, macAddress: string): Promise<void>;
}

export interface DiskDriver {
  /** Copies the root disk of a machine that is on, as it is at one moment, whole to a qcow2 file at `path`; none may be there. */
  copyRootDisk(instanceId: string, path: string): Promise<void>;
}

/** A look at a machine's migration as the hypervisor counts it: bytes, bytes a second, ms. */
export interface MigrationJob {
  iteration: number;
  memoryTotal: number;
  memoryProcessed: number;
  memoryRemaining: number;
  diskTotal: number;
  diskProcessed: number;
  diskRemaining: number;
  dirtyRate: number;
  bandwidth: number;
  /** Of the pause at the end; known when it is over. */
  downtime: number | undefined;
  elapsed: number;
  /** The guest already runs at the other end. */
  switched?: boolean;
}

export interface MigrationPlan {
  /** How the other hypervisor is reached. */
  uri: string;
  /** The other host's address for memory and disks. */
  address: string;
  from: GuestPlaces;
  to: GuestPlaces;
  postCopy: boolean;
  /** False when both hosts have the same disks: then nothing of them travels. */
  copyDisks: boolean;
  /** Takes up again what has broken after the switch. */
  resume: boolean;
}


export interface MigrationDriver {
  /** Sends the machine away; resolves when it has left, rejects when the hypervisor says that it failed. */
  send(instanceId: string, plan: MigrationPlan): Promise<void>;
  /** What is under way now; undefined when nothing is. */
  job(instanceId: string): Promise<MigrationJob | undefined>;
  /** Of the last migration that ended while this process watched. */
  finalJob(instanceId: string): MigrationJob | undefined;
  standing(instanceId: string): Promise<MigrationStanding>;
  /** Resolves to false when it is too early for it. */
  switchToPostCopy(instanceId: string): Promise<boolean>;
  allowDowntime(instanceId: string, ms: number): Promise<void>;
  abort(instanceId: string): Promise<void>;
  /** Why guests of this host's CPU model cannot run here; undefined when they can. */
  refuseCpu(): Promise<string | undefined>;
}

export type VirtDriver = LifecycleDriver & NicDriver & DiskDriver & HostDriver;
