/** What an instance is when nothing is being done to it. */
export const VM_STATES = [
  'building', 'active', 'paused', 'suspended', 'stopped', 'resized', 'rescued', 'shelved', 'shelved_offloaded', 'error', 'deleted',
] as const;
export type VmState = (typeof VM_STATES)[number];

/** What is being done to an instance; null when nothing is. */
export const TASK_STATES = [
  'scheduling', 'networking', 'spawning', 'powering-off', 'powering-on', 'rebooting', 'rebooting_hard',
  'pausing', 'unpausing', 'suspending', 'resuming', 'deleting',
  'attaching_interface', 'detaching_interface', 'updating_password',
  'rebuilding', 'rebuild_block_device_mapping', 'rebuild_spawning',
  'image_snapshot_pending', 'image_snapshot', 'image_pending_upload', 'image_uploading', 'image_backup',
  'resize_prep', 'resize_migrating', 'resize_migrated', 'resize_finish', 'resize_reverting', 'resize_confirming', 'migrating',
  'rescuing', 'unrescuing', 'shelving', 'shelving_image_pending_upload', 'shelving_image_uploading', 'shelving_offloading', 'unshelving',
] as const;
export type TaskState = (typeof TASK_STATES)[number];

/** What the hypervisor says, in nova's numbers. */
export const POWER_STATES = { 0: 'NOSTATE', 1: 'Running', 3: 'Paused', 4: 'Shutdown', 6: 'Crashed', 7: 'Suspended' } as const;

const rebuild = { rebuilding: 'REBUILD', rebuild_block_device_mapping: 'REBUILD', rebuild_spawning: 'REBUILD' } as const;
const resize = { resize_prep: 'RESIZE', resize_migrating: 'RESIZE', resize_migrated: 'RESIZE', resize_finish: 'RESIZE' } as const;

/** vm_state to the status that the API shows, with the task states that change it. */
const STATUS: Record<VmState, { default: string; tasks?: Partial<Record<TaskState, string>> }> = {
  building: { default: 'BUILD' },
  active: { default: 'ACTIVE', tasks: { rebooting: 'REBOOT', rebooting_hard: 'HARD_REBOOT', updating_password: 'PASSWORD', migrating: 'MIGRATING', ...rebuild, ...resize } },
  paused: { default: 'PAUSED', tasks: { migrating: 'MIGRATING' } },
  suspended: { default: 'SUSPENDED' },
  stopped: { default: 'SHUTOFF', tasks: { ...rebuild, ...resize } },
  resized: { default: 'VERIFY_RESIZE', tasks: { resize_reverting: 'REVERT_RESIZE' } },
  rescued: { default: 'RESCUE' },
  shelved: { default: 'SHELVED' },
  shelved_offloaded: { default: 'SHELVED_OFFLOADED' },
  error: { default: 'ERROR', tasks: rebuild },
  deleted: { default: 'DELETED' },
};

/** The `status` of a server; UNKNOWN for a state that is not one of ours. */
export function serverStatus(vmState: string, taskState: string | null): string {
  const entry = STATUS[vmState as VmState];
  if (!entry) return 'UNKNOWN';
  return (taskState !== null && entry.tasks?.[taskState as TaskState]) || entry.default;
}

export interface StateFilter { vmStates: VmState[]; taskStates?: TaskState[] }

/** The states behind a `status` in a list's filter (any case); undefined for a status that no server can have. */
export function statesOfStatus(status: string): StateFilter | undefined {
  const wanted = status.toUpperCase();
  const entries = Object.entries(STATUS) as [VmState, (typeof STATUS)[VmState]][];
  const plain = entries.filter(([, { default: shown }]) => shown === wanted).map(([vmState]) => vmState);
  if (plain.length > 0) return { vmStates: plain };
  const tasksOf = (tasks: Partial<Record<TaskState, string>> = {}) => Object.entries(tasks).filter(([, shown]) => shown === wanted).map(([task]) => task as TaskState);
  const busy = entries.filter(([, { tasks }]) => tasksOf(tasks).length > 0);
  if (busy.length === 0) return undefined;
  return { vmStates: busy.map(([vmState]) => vmState), taskStates: [...new Set(busy.flatMap(([, { tasks }]) => tasksOf(tasks)))] };
}

/** Statuses in which a server shows `progress`. */
export const STATUSES_WITH_PROGRESS: ReadonlySet<string> = new Set(['ACTIVE', 'BUILD', 'REBUILD', 'RESIZE', 'VERIFY_RESIZE', 'REVERT_RESIZE', 'MIGRATING']);
/** Statuses in which a server shows its last `fault`. */
export const STATUSES_WITH_FAULT: ReadonlySet<string> = new Set(['ERROR', 'DELETED']);

/**
 * What an instance that nobody is working on should become when its host reports `powerState`; undefined when the
 * report says nothing new. A guest that went off by itself is a stopped server.
 */
export function stateFromObservation(vmState: string, powerState: number): { vmState?: VmState } | undefined {
  const off = powerState === 4 || powerState === 6;
  if (vmState === 'active' && off) return { vmState: 'stopped' };
  if (vmState === 'paused' && off) return { vmState: 'stopped' };
  return undefined;
}
