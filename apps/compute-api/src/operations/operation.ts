import type { Selectable } from '@virga/db';
import type { ActorRef } from '@virga/core';
import type { OperationsTable } from '../db/schema';

export const OPERATION_KINDS = [
  'build-instance', 'delete-instance', 'power-action', 'reap-instance',
  'attach-interface', 'detach-interface', 'rebuild-instance', 'snapshot-instance', 'live-migrate',
  'resize-instance', 'confirm-resize', 'revert-resize', 'evacuate-instance',
] as const;
export type OperationKind = (typeof OPERATION_KINDS)[number];
export type OperationPhase = 'do' | 'undo';

/** Operations in these states are still to be worked on; the others have ended for good. */
export const LIVE_STATES = ['pending', 'running', 'parked'] as const;
export type OperationEnd = 'done' | 'failed' | 'cancelled';

/**
 * What somebody wants to become of a live operation (`cancel_requested`): `superseded`, because a newer operation takes
 * away all that it has made, or `undo`, because nobody wants it any more.
 */
export const CANCEL = { no: 0, superseded: 1, undo: 2 } as const;
export type CancelWish = (typeof CANCEL)[keyof typeof CANCEL];

export interface OperationFailure {
  message: string;
  /** Type of a CloudError, e.g. NoValidHost. */
  type?: string | undefined;
  details?: unknown;
  step: string;
}

/** A row of `operations` as the engine works on it. */
export interface Operation {
  id: string;
  kind: OperationKind;
  instanceId: string;
  requestId: string;
  actor: ActorRef;
  args: Record<string, unknown>;
  data: Record<string, unknown>;
  phase: OperationPhase;
  step: number;
  undoFloor: number;
  attempt: number;
  generation: number;
  claimEpoch: number;
  cancel: CancelWish;
  /** Past a step from which there is no way back: it fails forward, and nobody cancels it. */
  noReturn: boolean;
  tries: number;
  /** The command on whose report the operation was parked last. */
  waitingCommand: string | undefined;
  failure: OperationFailure | undefined;
}

export function toOperation(row: Selectable<OperationsTable>): Operation {
  return {
    id: row.id,
    kind: row.kind as OperationKind,
    instanceId: row.instance_id,
    requestId: row.request_id,
    actor: JSON.parse(row.actor_json) as ActorRef,
    args: JSON.parse(row.args_json) as Record<string, unknown>,
    data: JSON.parse(row.data_json) as Record<string, unknown>,
    phase: row.phase as OperationPhase,
    step: row.step,
    undoFloor: row.undo_floor,
    attempt: row.attempt,
    generation: row.generation,
    claimEpoch: row.claim_epoch,
    cancel: row.cancel_requested as CancelWish,
    noReturn: row.no_return !== 0,
    tries: row.tries,
    waitingCommand: row.waiting_command ?? undefined,
    failure: row.error_json === null ? undefined : (JSON.parse(row.error_json) as OperationFailure),
  };
}
