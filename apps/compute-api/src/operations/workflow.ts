import type { hostAgentContract, HostVerb, HostVerbArgs, imageContract, networkContract, placementContract } from '@virga/contracts';
import type { Client } from '@virga/rpc';
import type { Logger } from '@virga/core';
import type { UpdateObject } from 'kysely';
import type { Kysely, Selectable, Transaction } from '@virga/db';
import type { ComputeDb, InstancesTable } from '../db/schema';
import type { Operation, OperationFailure, OperationKind } from './operation';

/** The services that workflows call. Each of the calls used is harmless when repeated. */
export interface Neighbours {
  placement: Client<typeof placementContract>;
  network: Client<typeof networkContract>;
  image: Client<typeof imageContract>;
  /** Calls to one host's agent. What must not be lost goes by `StepContext.command`. */
  host(hostId: string): Client<typeof hostAgentContract>;
}

/** Columns of an instance to set; values or SQL expressions. */
export type InstanceChanges = UpdateObject<ComputeDb, 'instances'>;
export type InstanceRow = Selectable<InstancesTable>;

/** What a step has at hand. Everything it does must bear being done again: a step is run from its top after every wait. */
export interface StepContext {
  readonly db: Kysely<ComputeDb>;
  readonly operation: Operation;
  /** Results of earlier steps. */
  readonly data: Record<string, unknown>;
  readonly neighbours: Neighbours;
  readonly logger: Logger;
  /** The instance as it is now; throws Superseded when a newer operation has taken it over. */
  instance(): Promise<InstanceRow>;
  /** Changes the instance, unless a newer operation has taken it over (then throws Superseded). */
  updateInstance(changes: InstanceChanges): Promise<void>;
  /** As `updateInstance`, in the statement that writes down that the step is done: for what nothing in the step itself depends on. */
  updateWhenDone(changes: InstanceChanges): void;
  /** Keeps a fact at once, before what follows in the same step. */
  remember(facts: Record<string, unknown>): Promise<void>;
  /**
   * Has the host do something and returns the result that it reported. The first time the operation is parked until the
   * report is there, then the step runs again from its top. Throws CloudError: type `CommandFailed` when the host could
   * not do it, `CommandExpired` when it did not answer before the step's deadline. When the operation is being cancelled, a
   * command that is out is called back (its host ends it where the verb heeds its signal) and its report still waited for;
   * a new one is not sent (throws Cancelled).
   */
  command<V extends HostVerb>(hostId: string, verb: V, args: HostVerbArgs<V>): Promise<unknown>;
  /** Parks the operation and runs the step again after `ms`. */
  waitFor(ms: number): Promise<never>;
  /** The way back ends here, in the middle of a step: see `Step.pointOfNoReturn`. Throws Cancelled when a cancel came first. */
  passPointOfNoReturn(): Promise<void>;
}

export interface Step {
  name: string;
  /** From its first start, waits included; after that it has failed. */
  timeoutMs: number;
  /** What it returns is merged into the operation's data. */
  do(context: StepContext): Promise<Record<string, unknown> | void>;
  /** Takes back what `do` did, wholly or in part, or did not begin. */
  undo?(context: StepContext): Promise<void>;
  /**
   * Once this step is done there is no way back: a cancel is refused (one that was asked for while the step ran, and could not
   * stop it, is forgotten), and a later step that fails for good is noted, the steps after it still run, nothing is undone and
   * the operation ends in `failed` with `operation.noReturn` set. A step that must not be cancelled from its very
   * beginning has an empty one before it that bears this mark. Use `context.passPointOfNoReturn()` when it is the step
   * itself that finds out.
   */
  pointOfNoReturn?: true;
}

export interface Workflow {
  kind: OperationKind;
  steps: readonly Step[];
  /** After a failure of a later step: undo down to `from` and go on from there, `attempts` times at most in all. */
  retry?: { from: string; attempts: number; /** Keeps what the next attempt must know. */ note(data: Record<string, unknown>, failure: OperationFailure): Record<string, unknown> };
  /** In one transaction with the operation's end. */
  succeeded(trx: Transaction<ComputeDb>, operation: Operation): Promise<void>;
  /**
   * Says that users may cancel operations of this kind (`cancelOperation`). Then the host is told to end the command that is
   * out, its report is waited for, the steps are undone from the present one down to the first, and this is done in
   * one transaction with the operation's end. A step that has succeeded all the same and is a point of no return wins.
   */
  cancelled?(trx: Transaction<ComputeDb>, operation: Operation): Promise<void>;
  /** In one transaction with the operation's end, after everything was undone (unless it is past a point of no return). */
  failed(trx: Transaction<ComputeDb>, operation: Operation, failure: OperationFailure): Promise<void>;
}

/** Not errors: how a step gives up its turn. */
export class Parked extends Error {
  constructor() { super('parked'); }
}
/** A newer operation has taken the instance over; this one ends without a trace of failure. */
export class Superseded extends Error {
  constructor() { super('superseded by a newer operation'); }
}
/** Somebody wants the operation undone, and the step could not be finished. */
export class Cancelled extends Error {
  constructor() { super('cancelled'); }
}
/** Another conductor has the operation now. */
export class OwnershipLost extends Error {
  constructor() { super('the operation has another owner'); }
}
