/** What a cloud allows a live migration. */
export interface MigrationLimits {
  /** Longest pause of the guest at the end of pre-copy, ms. */
  maxDowntimeMs: number;
  /** Time from the start within which it must have ended or switched to post-copy, ms. */
  deadlineMs: number;
  /** Whether the guest may go on at the destination before all of its memory is there. */
  postCopy: boolean;
}

/** A look at a running migration. Amounts in bytes, rates in bytes a second. */
export interface MigrationLook {
  elapsedMs: number;
  mode: 'pre-copy' | 'post-copy';
  /** Passes over the memory that have begun; 0 while nothing is sent yet. */
  iteration: number;
  memoryRemaining: number;
  diskRemaining: number;
  dirtyRate: number;
  bandwidth: number;
  /** The pause that the hypervisor may take now, ms. */
  downtimeMs: number;
  /** Somebody wants it to come to its end whatever it costs the guest. */
  forced: boolean;
}

/** `throttle` has the hypervisor slow the guest's processors down; `pause` stops the guest until all has arrived. */
export type MigrationDecision = { do: 'wait' | 'post-copy' | 'throttle' | 'pause' | 'abort' } | { do: 'downtime'; ms: number };

/** Passes after which a guest that is not slower than the link will not become slower by waiting. */
const PATIENT_ITERATIONS = 2;
/** A guest that dirties this share of what the link carries leaves too little for an end. */
const HOPELESS = 0.7;

/** Whether the passes get shorter: each has to send what got dirty during the one before. */
export const converges = ({ dirtyRate, bandwidth }: MigrationLook): boolean => bandwidth > 0 && dirtyRate < HOPELESS * bandwidth;

/** Milliseconds until the end at the present rates; undefined when there is no end in sight. */
export function migrationEta({ mode, memoryRemaining, diskRemaining, dirtyRate, bandwidth }: MigrationLook): number | undefined {
  const rate = mode === 'post-copy' ? bandwidth : bandwidth - dirtyRate;
  return rate > 0 ? Math.round(((memoryRemaining + diskRemaining) / rate) * 1000) : undefined;
}

interface Rule { when(look: MigrationLook, limits: MigrationLimits): boolean; then(look: MigrationLook, limits: MigrationLimits): MigrationDecision }

const begun = ({ iteration }: MigrationLook): boolean => iteration > 0;
const neededPause = ({ memoryRemaining, bandwidth }: MigrationLook): number => Math.ceil((memoryRemaining / Math.max(1, bandwidth)) * 1000);
const hopeless = (look: MigrationLook): boolean => begun(look) && look.diskRemaining === 0 && look.iteration > PATIENT_ITERATIONS && !converges(look);

/** The first that applies decides. After the switch there is no way but forward. */
const RULES: readonly Rule[] = [
  { when: ({ mode }) => mode === 'post-copy', then: () => ({ do: 'wait' }) },
  { when: (look, { postCopy }) => look.forced && postCopy && begun(look), then: () => ({ do: 'post-copy' }) },
  { when: (look, { postCopy }) => look.forced && !postCopy && begun(look), then: () => ({ do: 'pause' }) },
  { when: (look, { postCopy, deadlineMs }) => look.elapsedMs >= deadlineMs && postCopy && begun(look) && look.diskRemaining === 0, then: () => ({ do: 'post-copy' }) },
  { when: ({ elapsedMs }, { deadlineMs }) => elapsedMs >= deadlineMs, then: () => ({ do: 'abort' }) },
  {
    // One pause of an allowed length would send the rest.
    when: (look, { maxDowntimeMs }) => begun(look) && look.iteration > 1 && look.diskRemaining === 0 && look.downtimeMs < maxDowntimeMs && neededPause(look) <= maxDowntimeMs && neededPause(look) > look.downtimeMs,
    then: (_look, { maxDowntimeMs }) => ({ do: 'downtime', ms: maxDowntimeMs }),
  },
  { when: (look, { postCopy }) => hopeless(look) && postCopy, then: () => ({ do: 'post-copy' }) },
  { when: (look) => hopeless(look), then: () => ({ do: 'throttle' }) },
];

/** What to do about a running migration now. Pure: the same look gives the same decision. */
export function decideMigration(look: MigrationLook, limits: MigrationLimits): MigrationDecision {
  return RULES.find(({ when }) => when(look, limits))?.then(look, limits) ?? { do: 'wait' };
}
