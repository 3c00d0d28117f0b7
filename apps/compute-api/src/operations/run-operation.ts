import { backoffMs, CloudError, errorMessage, type Logger } from '@virga/core';
import { isConnectionLost, isLockConflict, sql, type Kysely, type Transaction, type Updateable } from '@virga/db';
import type { ComputeDb, OperationsTable } from '../db/schema';
import { dbNow, dbNowPlus } from '../db/time';
import type { EngineEvents } from './conductor-engine';
import { endOperation } from './end-operation';
import { CANCEL, type CancelWish, type Operation, type OperationEnd, type OperationFailure } from './operation';
import { EngineStepContext, ownedRow } from './step-context';
import { begunStep, traceEnd, traceStart, type Deadline } from './step-trace';
import { Cancelled, OwnershipLost, Parked, Superseded, type InstanceChanges, type Neighbours, type Step, type Workflow } from './workflow';

export interface RunOptions {
  db: Kysely<ComputeDb>;
  owner: string;
  neighbours: Neighbours;
  logger: Logger;
  owned(): boolean;
  wakeRelay(): void;
  events?: EngineEvents;
}

const CANCELLED = 'Cancelled.';
const RETRY = { attempts: Infinity, baseMs: 500, maxMs: 10_000 };

const failureOf = (error: unknown, step: string): OperationFailure => error instanceof CloudError
  ? { message: error.message, type: error.type, details: error.details, step }
  // What was not foreseen is told to operators in the log and to users in one sentence.
  : { message: 'An unexpected error stopped the operation.', details: errorMessage(error), step };

/** A neighbour that stumbles is asked again this often before its word counts. */
const UNEXPECTED_TRIES = 5;

function isPassing(error: unknown, tries: number): boolean {
  if (!(error instanceof CloudError)) return isConnectionLost(error) || isLockConflict(error);
  return error.retryable || (error.kind === 'internal' && error.type === undefined && tries < UNEXPECTED_TRIES);
}

/**
 * Runs a claimed operation until it ends, is parked or is lost to another owner. Position and facts are in the
 * database after every step, so that any conductor can go on from there.
 */
export class OperationRun {
  /** True while the last that the database said of the operation, in this run, was that nobody wants it cancelled. */
  private sureOfWish: boolean;
  /** The step that `advance` has begun. */
  private begun: Step | undefined;

  constructor(private readonly workflow: Workflow, private readonly operation: Operation, private readonly options: RunOptions) {
    this.sureOfWish = operation.cancel === CANCEL.no;
  }

  /** True when the operation has ended. */
  async run(): Promise<boolean> {
    try {
      while (await this.turn()) { /* one step each */ }
      return true;
    } catch (error) {
      if (error instanceof Parked) return false;
      if (error instanceof OwnershipLost) {
        this.options.logger.warn('another conductor took the operation over');
        return false;
      }
      if (!(error instanceof Superseded)) throw error;
      await this.end('cancelled', (trx) => this.endTrace(trx, 'Superseded by a newer operation.'));
      return true;
    }
  }

  /** One step; false when the operation has ended. */
  private async turn(): Promise<boolean> {
    const { operation, workflow } = this;
    if (!this.options.owned()) throw new OwnershipLost();
    if (!this.sureOfWish) await this.hearWish();
    this.sureOfWish = false;
    if (operation.phase === 'undo') {
      // Who cancels wants no other attempt.
      if (operation.cancel === CANCEL.undo && operation.undoFloor >= 0) await this.save({ undoFloor: -1 });
      if (operation.step >= Math.max(operation.undoFloor, 0)) return this.undoStep(workflow.steps[operation.step]!);
      return this.afterUndo();
    }
    const step = workflow.steps[operation.step];
    if (step && operation.cancel === CANCEL.undo && !(await this.hasCommands(step))) {
      await this.beginUndo({ message: CANCELLED, step: step.name });
      return true;
    }
    if (step) return this.doStep(step);
    if (operation.noReturn && operation.failure) await this.end('failed', (trx) => workflow.failed(trx, operation, operation.failure!));
    else await this.end('done', (trx) => workflow.succeeded(trx, operation));
    return false;
  }

  /** Reads what the operation's fate is to be. Throws Superseded when a newer operation has taken it on. */
  private async hearWish(): Promise<void> {
    const row = await this.options.db.selectFrom('operations').select('cancel_requested').where(ownedRow(this.operation, this.options.owner)).executeTakeFirst();
    if (!row) throw new OwnershipLost();
    this.operation.cancel = row.cancel_requested as CancelWish;
    if (this.operation.cancel === CANCEL.superseded) throw new Superseded();
  }

  /** Whether the step has sent something to a host in this attempt, whose outcome must be known before it is undone. */
  private async hasCommands(step: Step): Promise<boolean> {
    const { id, phase, attempt } = this.operation;
    const row = await this.options.db.selectFrom('commands').select('id').where('operation_id', '=', id).where('phase', '=', phase)
      .where('step', '=', step.name).where('attempt', '=', attempt).limit(1).executeTakeFirst();
    return row !== undefined;
  }

  private async doStep(step: Step): Promise<boolean> {
    const { db, logger } = this.options;
    const { deadline, late, ageSeconds } = this.begun === step
      ? begunStep(this.operation, step.name)
      : await traceStart(db, this.operation, step, this.workflow.steps.slice(this.operation.step + 1));
    this.begun = undefined;
    const tell = this.teller(step, ageSeconds);
    try {
      const context = this.context(step, deadline);
      const result = await step.do(context);
      Object.assign(this.operation.data, result ?? {});
      const wanted = await this.advance(step, context.whenDone);
      tell('Success');
      if (!wanted) await this.beginUndo({ message: CANCELLED, step: step.name });
      return true;
    } catch (error) {
      if (error instanceof Parked || error instanceof OwnershipLost || error instanceof Superseded) throw error;
      if (error instanceof Cancelled) return this.cancelStep(step, tell);
      if (isPassing(error, this.operation.tries) && !late) return this.again(error);
      logger.warn({ err: error, step: step.name, attempt: this.operation.attempt }, 'step failed');
      const failure = failureOf(error, step.name);
      await traceEnd(db, this.operation, step.name, 'Error', failure.message);
      tell('Error');
      await (this.operation.noReturn ? this.goOn(failure) : this.beginUndo(failure));
      return true;
    }
  }

  private async cancelStep(step: Step, tell: (result: 'Error') => void): Promise<true> {
    await traceEnd(this.options.db, this.operation, step.name, 'Error', CANCELLED);
    tell('Error');
    this.operation.cancel = CANCEL.undo;
    await this.beginUndo({ message: CANCELLED, step: step.name });
    return true;
  }

  /** Past the point of no return: what has failed is told at the end, and what comes after it is still done. */
  private async goOn(failure: OperationFailure): Promise<void> {
    this.operation.failure ??= failure;
    await this.save({ step: this.operation.step + 1, error: this.operation.failure });
  }

  /**
   * Writes down in one statement that the step is done, how the instance changes by it and that the next one begins, unless somebody
   * wants the operation cancelled: false when it is to be undone. A point of no return that is reached wins over the wish.
   */
  private async advance(step: Step, changes: InstanceChanges | undefined): Promise<boolean> {
    const { operation, options } = this;
    const next = operation.step + 1;
    const following = this.workflow.steps[next];
    const host = (operation.data.hostname as string | undefined) ?? null;
    const followingRow = following ? sql`LEFT JOIN operation_steps AS n ON n.operation_id = o.id AND n.phase = ${operation.phase} AND n.step = ${following.name} AND n.attempt = ${operation.attempt}` : sql``;
    const begin = following ? sql`n.started_at = NOW(3), n.deadline = ${dbNowPlus(following.timeoutMs)}, n.host = COALESCE(${host}, n.host),` : sql``;
    const instance = changes ? sql`JOIN instances AS i ON i.id = o.instance_id AND i.generation = o.generation` : sql``;
    const change = changes ? sql`${sql.join(Object.entries({ ...changes, updated_at: dbNow }).map(([column, value]) => sql`${sql.ref(`i.${column}`)} = ${value}`))},` : sql``;
    const past = step.pointOfNoReturn ? sql`o.no_return = 1, o.cancel_requested = ${CANCEL.no}, o.error_json = NULL,` : sql``;
    const unwanted: CancelWish = step.pointOfNoReturn ? CANCEL.undo : CANCEL.no;
    const { numAffectedRows } = await sql`UPDATE operations AS o LEFT JOIN operation_steps AS s
        ON s.operation_id = o.id AND s.phase = ${operation.phase} AND s.step = ${step.name} AND s.attempt = ${operation.attempt}
        ${followingRow} ${instance}
      SET ${past} ${begin} ${change} o.step = ${next}, o.tries = 0, o.data_json = ${JSON.stringify(operation.data)}, o.waiting_command = NULL,
        s.finished_at = NOW(3), s.result = 'Success', s.details = NULL, s.host = COALESCE(${host}, s.host)
      WHERE o.id = ${operation.id} AND o.owner = ${options.owner} AND o.claim_epoch = ${operation.claimEpoch} AND o.state = 'running' AND o.cancel_requested IN (${CANCEL.no}, ${unwanted})`.execute(options.db);
    if (numAffectedRows === 0n) {
      await this.hearWish();
      // Nobody wants it cancelled, and yet the instance is not as it was: a newer operation has it.
      if (changes && (operation.cancel === CANCEL.no || operation.cancel === unwanted)) throw new Superseded();
      await traceEnd(options.db, operation, step.name, 'Success');
      return false;
    }
    Object.assign(operation, { step: next, tries: 0, ...(step.pointOfNoReturn && { noReturn: true, cancel: CANCEL.no, failure: undefined }) });
    this.sureOfWish = true;
    this.begun = following;
    return true;
  }

  private async beginUndo(failure: OperationFailure): Promise<void> {
    const { retry, steps } = this.workflow;
    const { operation } = this;
    const from = retry ? steps.findIndex(({ name }) => name === retry.from) : -1;
    const again = retry !== undefined && operation.cancel === CANCEL.no && operation.step > from && operation.attempt < retry.attempts;
    if (retry && operation.step > from) operation.data = retry.note(operation.data, failure);
    operation.failure = failure;
    await this.save({ phase: 'undo', undoFloor: again ? from : -1, error: failure });
  }

  private async undoStep(step: Step): Promise<boolean> {
    const { db, logger } = this.options;
    if (step.undo) {
      const { deadline, late, ageSeconds } = await traceStart(db, this.operation, step);
      const tell = this.teller(step, ageSeconds);
      try {
        await step.undo(this.context(step, deadline));
        await traceEnd(db, this.operation, step.name, 'Success');
        tell('Success');
      } catch (error) {
        if (error instanceof Parked || error instanceof OwnershipLost || error instanceof Superseded) throw error;
        if (isPassing(error, this.operation.tries) && !late) return this.again(error);
        // The others must still be undone; what is left here, the reconciler takes away when it shows up.
        logger.error({ err: error, step: step.name }, 'step could not be undone');
        await traceEnd(db, this.operation, step.name, 'Error', errorMessage(error));
        tell('Error');
      }
    }
    await this.save({ step: this.operation.step - 1 });
    return true;
  }

  private async afterUndo(): Promise<boolean> {
    const { operation } = this;
    if (operation.undoFloor >= 0) {
      operation.attempt++;
      this.begun = undefined;
      await this.save({ phase: 'do', step: operation.undoFloor, undoFloor: 0 });
      return true;
    }
    if (operation.cancel === CANCEL.undo) await this.end('cancelled', (trx) => this.workflow.cancelled!(trx, operation));
    else await this.end('failed', (trx) => this.workflow.failed(trx, operation, operation.failure!));
    return false;
  }

  /** A passing error: the same step once more, after a pause that grows. */
  private async again(error: unknown): Promise<false> {
    const { operation, options } = this;
    operation.tries++;
    const pause = backoffMs(RETRY, Math.min(operation.tries, 10)) + 50;
    options.logger.info({ err: error, tries: operation.tries, pause }, 'step met a passing error; trying again');
    const { numUpdatedRows } = await options.db.updateTable('operations')
      .set({ state: 'parked', owner: null, lease_until: null, waiting_command: null, tries: operation.tries, due_at: dbNowPlus(pause) })
      .where(ownedRow(operation, options.owner)).executeTakeFirst();
    if (numUpdatedRows === 0n) throw new OwnershipLost();
    throw new Parked();
  }

  private async save(position: { step?: number; phase?: 'do' | 'undo'; undoFloor?: number; error?: OperationFailure }): Promise<void> {
    const { operation, options } = this;
    Object.assign(operation, { ...(position.step !== undefined && { step: position.step }), ...(position.phase && { phase: position.phase }), ...(position.undoFloor !== undefined && { undoFloor: position.undoFloor }), tries: 0 });
    const row: Updateable<OperationsTable> = {
      step: operation.step, phase: operation.phase, undo_floor: operation.undoFloor, attempt: operation.attempt, tries: 0,
      data_json: JSON.stringify(operation.data), waiting_command: null,
      ...(position.error && { error_json: JSON.stringify(position.error) }),
    };
    const { numUpdatedRows } = await options.db.updateTable('operations').set(row).where(ownedRow(operation, options.owner)).executeTakeFirst();
    if (numUpdatedRows === 0n) throw new OwnershipLost();
  }

  private async endTrace(trx: Transaction<ComputeDb>, details: string): Promise<void> {
    await trx.updateTable('operation_steps').set({ finished_at: dbNow, result: 'Error', details })
      .where('operation_id', '=', this.operation.id).where('started_at', 'is not', null).where('finished_at', 'is', null).execute();
  }

  private async end(how: OperationEnd, also: (trx: Transaction<ComputeDb>) => Promise<void>): Promise<void> {
    const { operation, options } = this;
    await endOperation(options.db, operation, options.owner, how, also);
    options.events?.operationEnded(operation.kind, how);
    options.logger.info({ end: how, failure: operation.failure?.message }, 'operation ended');
  }

  private teller(step: Step, ageSeconds: number): (result: 'Success' | 'Error') => void {
    const { kind, phase } = this.operation;
    const since = Date.now() - ageSeconds * 1000;
    return (result) => this.options.events?.stepEnded(kind, step.name, phase, result, (Date.now() - since) / 1000);
  }

  private context(step: Step, deadline: Deadline): EngineStepContext {
    const { db, owner, neighbours, logger, owned, wakeRelay } = this.options;
    return new EngineStepContext({ db, owner, neighbours, logger, owned, wakeRelay, operation: this.operation, step: step.name, deadline });
  }
}
