import { backoffMs, CloudError, errorMessage, type Logger } from '@virga/core';
import { isConnectionLost, isLockConflict, sql, type Kysely, type Updateable } from '@virga/db';
import type { ComputeDb, OperationsTable } from '../db/schema';
import { dbNow, dbNowPlus } from '../db/time';
import type { EngineEvents } from './conductor-engine';
import { endOperation } from './end-operation';
import type { Operation, OperationFailure } from './operation';
import { EngineStepContext, ownedRow } from './step-context';
import { traceEnd, traceStart } from './step-trace';
import { OwnershipLost, Parked, Superseded, type Neighbours, type Step, type Workflow } from './workflow';

export interface RunOptions {
  db: Kysely<ComputeDb>;
  owner: string;
  neighbours: Neighbours;
  logger: Logger;
  owned(): boolean;
  wakeRelay(): void;
  events?: EngineEvents;
}

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

  constructor(private readonly workflow: Workflow, private readonly operation: Operation, private readonly options: RunOptions) {
    this.sureOfWish = !operation.cancelRequested;
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
      await this.end('cancelled');
      return true;
    }
  }

  /** One step; false when the operation has ended. */
  private async turn(): Promise<boolean> {
    const { operation, workflow } = this;
    if (!this.options.owned()) throw new OwnershipLost();
    if (!this.sureOfWish && await this.isCancelled()) throw new Superseded();
    this.sureOfWish = false;
    if (operation.phase === 'undo') {
      if (operation.step >= Math.max(operation.undoFloor, 0)) return this.undoStep(workflow.steps[operation.step]!);
      return this.afterUndo();
    }
    if (operation.step < workflow.steps.length) return this.doStep(workflow.steps[operation.step]!);
    await this.end('done');
    return false;
  }

  private async isCancelled(): Promise<boolean> {
    const row = await this.options.db.selectFrom('operations').select('cancel_requested').where(ownedRow(this.operation, this.options.owner)).executeTakeFirst();
    if (!row) throw new OwnershipLost();
    return row.cancel_requested !== 0;
  }

  private async doStep(step: Step): Promise<boolean> {
    const { db, logger } = this.options;
    const { deadline, late, ageSeconds } = await traceStart(db, this.operation, step.name, step.timeoutMs);
    const tell = this.teller(step, ageSeconds);
    try {
      const result = await step.do(this.context(step, deadline));
      Object.assign(this.operation.data, result ?? {});
      await this.advance(step);
      tell('Success');
      return true;
    } catch (error) {
      if (error instanceof Parked || error instanceof OwnershipLost || error instanceof Superseded) throw error;
      if (isPassing(error, this.operation.tries) && !late) return this.again(error, deadline);
      logger.warn({ err: error, step: step.name, attempt: this.operation.attempt }, 'step failed');
      const failure = failureOf(error, step.name);
      await traceEnd(db, this.operation, step.name, 'Error', failure.message);
      tell('Error');
      await this.beginUndo(failure);
      return true;
    }
  }

  /** Writes down in one statement that the step is done and what comes next, unless somebody wants the operation cancelled. */
  private async advance(step: Step): Promise<void> {
    const { operation, options } = this;
    const next = operation.step + 1;
    const { numAffectedRows } = await sql`UPDATE operations AS o LEFT JOIN operation_steps AS s
        ON s.operation_id = o.id AND s.phase = ${operation.phase} AND s.step = ${step.name} AND s.attempt = ${operation.attempt}
      SET o.step = ${next}, o.tries = 0, o.data_json = ${JSON.stringify(operation.data)}, o.waiting_command = NULL,
        s.finished_at = NOW(3), s.result = 'Success', s.details = NULL, s.host = COALESCE(${(operation.data.hostname as string | undefined) ?? null}, s.host)
      WHERE o.id = ${operation.id} AND o.owner = ${options.owner} AND o.claim_epoch = ${operation.claimEpoch} AND o.state = 'running' AND o.cancel_requested = 0`.execute(options.db);
    if (numAffectedRows === 0n) throw await this.isCancelled() ? new Superseded() : new OwnershipLost();
    Object.assign(operation, { step: next, tries: 0 });
    this.sureOfWish = true;
  }

  private async beginUndo(failure: OperationFailure): Promise<void> {
    const { retry, steps } = this.workflow;
    const { operation } = this;
    const from = retry ? steps.findIndex(({ name }) => name === retry.from) : -1;
    const again = retry !== undefined && operation.step > from && operation.attempt < retry.attempts;
    if (retry && operation.step > from) operation.data = retry.note(operation.data, failure);
    operation.failure = failure;
    await this.save({ phase: 'undo', undoFloor: again ? from : -1, error: failure });
  }

  private async undoStep(step: Step): Promise<boolean> {
    const { db, logger } = this.options;
    if (step.undo) {
      const { deadline, late, ageSeconds } = await traceStart(db, this.operation, step.name, step.timeoutMs);
      const tell = this.teller(step, ageSeconds);
      try {
        await step.undo(this.context(step, deadline));
        await traceEnd(db, this.operation, step.name, 'Success');
        tell('Success');
      } catch (error) {
        if (error instanceof Parked || error instanceof OwnershipLost || error instanceof Superseded) throw error;
        if (isPassing(error, this.operation.tries) && !late) return this.again(error, deadline);
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
      await this.save({ phase: 'do', step: operation.undoFloor, undoFloor: 0 });
      return true;
    }
    await this.end('failed');
    return false;
  }

  /** A passing error: the same step once more, after a pause that grows. */
  private async again(error: unknown, deadline: Date): Promise<false> {
    const { operation, options } = this;
    operation.tries++;
    const pause = backoffMs(RETRY, Math.min(operation.tries, 10)) + 50;
    options.logger.info({ err: error, tries: operation.tries, pause, deadline }, 'step met a passing error; trying again');
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

  private async end(how: 'done' | 'failed' | 'cancelled'): Promise<void> {
    const { operation, workflow, options } = this;
    await endOperation(options.db, operation, options.owner, how, async (trx) => {
      if (how === 'done') await workflow.succeeded(trx, operation);
      if (how === 'failed') await workflow.failed(trx, operation, operation.failure!);
      if (how === 'cancelled') {
        await trx.updateTable('operation_steps').set({ finished_at: dbNow, result: 'Error', details: 'Superseded by a newer operation.' })
          .where('operation_id', '=', operation.id).where('finished_at', 'is', null).execute();
      }
    });
    options.events?.operationEnded(operation.kind, how);
    options.logger.info({ end: how, failure: operation.failure?.message }, 'operation ended');
  }

  private teller(step: Step, ageSeconds: number): (result: 'Success' | 'Error') => void {
    const { kind, phase } = this.operation;
    const since = Date.now() - ageSeconds * 1000;
    return (result) => this.options.events?.stepEnded(kind, step.name, phase, result, (Date.now() - since) / 1000);
  }

  private context(step: Step, deadline: Date): EngineStepContext {
    const { db, owner, neighbours, logger, owned, wakeRelay } = this.options;
    return new EngineStepContext({ db, owner, neighbours, logger, owned, wakeRelay, operation: this.operation, step: step.name, deadline });
  }
}
