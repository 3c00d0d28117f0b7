import type { MigrationOutcome, MigrationStanding } from '@virga/contracts';
import { CloudError } from '@virga/core';
import type { StepContext } from '../operations/workflow';

/** Where a guest is after its migration has ended, whatever the end was. */
export interface Arrival {
  place: 'destination' | 'source' | 'unknown';
  /** As the destination tells; only of a guest that is whole there. */
  powerState?: number;
  /** What went wrong with it; absent when it runs at the destination. */
  message?: string;
  /** Neither host may lose what it has of the guest: its memory is on both, or nobody knows on which. */
  kept: boolean;
}

/** What the destination says, or that it does not answer. */
export type Told = { standing: MigrationStanding; powerState: number } | 'silent';

export const isAlive = (arrival: Arrival | undefined): boolean => arrival?.place === 'destination' && arrival.message === undefined;

const NOWHERE = 'It was started again nowhere; its disks are on the destination.';
const divided = (why: string): Arrival => ({ place: 'destination', kept: true, message: `The guest's memory is divided between two hosts: ${why}. ${NOWHERE}` });
const ended = (why: string): Arrival => ({ place: 'destination', kept: false, message: `The guest left its host and does not run at the destination: ${why}. ${NOWHERE}` });
const stayed = (why: string): Arrival => ({ place: 'source', kept: false, message: `The migration ended before the guest had left its host: ${why}.` });
const doubted = (why: string): Arrival => ({ place: 'unknown', kept: true, message: `Nobody knows whether the guest has left its host: ${why}. Nothing of it is taken away or started on either.` });

type Word = 'here' | 'divided' | 'gone' | 'coming' | 'silent';
const wordOf = (told: Told): Word => {
  if (told === 'silent') return 'silent';
  switch (told.standing) {
    case 'here': return told.powerState === 1 || told.powerState === 3 ? 'here' : 'gone';
    case 'broken': return 'divided';
    // It runs, and the rest of its memory has not come.
    case 'moving': return told.powerState === 1 ? 'divided' : 'coming';
    case 'doubtful': return 'coming';
    default: return 'gone';
  }
};

/**
 * The place of the guest by what its source has seen of its going and what the destination has of it. `switched`: the source had told
 * that it went over to post-copy. After that the guest is the destination's, whatever becomes of it: only its disks there are new.
 */
export function arrivalOf(outcome: MigrationOutcome['outcome'], switched: boolean, told: Told, reason = 'the source did not answer'): Arrival {
  const alive: Arrival = { place: 'destination', kept: false, ...(told !== 'silent' && { powerState: told.powerState }) };
  const table: Record<MigrationOutcome['outcome'], Record<Word, () => Arrival>> = {
    moved: { here: () => alive, divided: () => divided('the destination still waits for memory'), gone: () => ended('its machine is off'), coming: () => divided('the destination did not start it'), silent: () => alive },
    broken: { here: () => alive, divided: () => divided(reason), gone: () => ended(reason), coming: () => divided(reason), silent: () => divided(`${reason}, and the destination does not answer`) },
    doubtful: {
      here: () => alive, divided: () => divided(reason), gone: () => (switched ? ended(reason) : stayed(reason)),
      coming: () => (switched ? divided(reason) : doubted(reason)), silent: () => (switched ? divided(`${reason}, nor did the destination`) : doubted(`${reason}, nor did the destination`)),
    },
  };
  return table[outcome][wordOf(told)]();
}

/** Has the destination say where the guest stands there; one that is whole is its own from then on. */
export async function askDestination(context: StepContext, hostId: string): Promise<Told> {
  try {
    return await context.command(hostId, 'finishMigration', {}) as Exclude<Told, 'silent'>;
  } catch (error) {
    // Also a host that could not look: its hypervisor does not answer it.
    if (error instanceof CloudError && (error.type === 'CommandExpired' || error.type === 'CommandFailed')) return 'silent';
    throw error;
  }
}
