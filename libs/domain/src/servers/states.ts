/** What an instance is when nothing is being done to it. */
export const VM_STATES = ['building', 'active', 'paused', 'suspended', 'stopped', 'error', 'deleted'] as const;
export type VmState = (typeof VM_STATES)[number];

/** What is being done to an instance; null when nothing is. */
export const TASK_STATES = [
  'scheduling', 'networking', 'spawning', 'powering-off', 'powering-on', 'rebooting', 'rebooting_hard',
  'pausing', 'unpausing', 'suspending', 'resuming', 'deleting',
] as const;
export type TaskState = (typeof TASK_STATES)[number];

/** What the hypervisor says, in nova's numbers. */
export const POWER_STATES = { 0: 'NOSTATE', 1: 'Running', 3: 'Paused', 4: 'Shutdown', 6: 'Crashed', 7: 'Suspended' } as const;

/** vm_state to the status that the API shows, with the task states that change it. */
const STATUS: Record<VmState, { default: string; tasks?: Partial<Record<TaskState, string>> }> = {
  building: { default: 'BUILD' },
  active: { default: 'ACTIVE', tasks: { rebooting: 'REBOOT', rebooting_hard: 'HARD_REBOOT' } },
  paused: { default: 'PAUSED' },
  suspended: { default: 'SUSPENDED' },
  stopped: { default: 'SHUTOFF' },
  error: { default: 'ERROR' },
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
  for (const [vmState, { default: plain, tasks }] of Object.entries(STATUS) as [VmState, (typeof STATUS)[VmState]][]) {
    if (plain === wanted) return { vmStates: [vmState] };
    const taskStates = Object.entries(tasks ?? {}).filter(([, shown]) => shown === wanted).map(([task]) => task as TaskState);
    if (taskStates.length > 0) return { vmStates: [vmState], taskStates };
  }
  return undefined;
}

/** Statuses in which a server shows `progress`. */
export const STATUSES_WITH_PROGRESS: ReadonlySet<string> = new Set(['ACTIVE', 'BUILD']);
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
