import { CloudError, errorMessage, newUuid, type Logger } from '@virga/core';
import { addToOutbox, inTransaction, sql, type Kysely, type Transaction } from '@virga/db';
import type { CommandReport, HostVerb, HostVerbArgs } from '@virga/contracts';
import type { ComputeDb } from '../db/schema';
import { dbNow, dbNowPlus } from '../db/time';
import { CANCEL, type Operation } from './operation';
import { COMMAND_TOPIC } from './start-operation';
import type { Deadline } from './step-trace';
import { Cancelled, OwnershipLost, Parked, Superseded, type InstanceChanges, type InstanceRow, type Neighbours, type StepContext } from './workflow';

export interface StepContextOptions {
  db: Kysely<ComputeDb>;
  operation: Operation;
  owner: string;
  step: string;
  deadline: Deadline;
  neighbours: Neighbours;
  logger: Logger;
  /** True while this process may still believe that it owns the operation. */
  owned(): boolean;
  wakeRelay(): void;
}

/** How often a host is told to end a command of an operation that is being cancelled, ms. */
const CALL_BACK_MS = 2000;

/** Adds the conditions under which this process may still write the operation. */
export const ownedRow = (operation: Operation, owner: string) =>
  sql<boolean>`id = ${operation.id} AND owner = ${owner} AND claim_epoch = ${operation.claimEpoch} AND state = 'running'`;

/** A cancel that we have not heard of yet, and that came before the parking, has woken nobody: the operation is due at once then. */
const unlessUnwanted = ({ cancel }: Operation, due: Deadline) => sql<Date>`IF(cancel_requested = ${cancel}, ${due}, NOW(3))`;

export class EngineStepContext implements StepContext {
  readonly db: Kysely<ComputeDb>;
  readonly operation: Operation;
  readonly neighbours: Neighbours;
  readonly logger: Logger;

  constructor(private readonly options: StepContextOptions) {
    this.db = options.db;
    this.operation = options.operation;
    this.neighbours = options.neighbours;
    this.logger = options.logger;
  }

  get data(): Record<string, unknown> {
    return this.operation.data;
  }

  async instance(): Promise<InstanceRow> {
    if (!this.options.owned()) throw new OwnershipLost();
    const row = await this.db.selectFrom('instances').selectAll().where('id', '=', this.operation.instanceId).executeTakeFirst();
    if (!row || row.generation !== this.operation.generation) throw new Superseded();
    return row;
  }

  async updateInstance(changes: InstanceChanges): Promise<void> {
    const { numUpdatedRows } = await this.db.updateTable('instances').set({ ...changes, updated_at: dbNow })
      .where('id', '=', this.operation.instanceId).where('generation', '=', this.operation.generation).executeTakeFirst();
    if (numUpdatedRows === 0n) throw new Superseded();
  }

  /** What `updateWhenDone` was told. */
  whenDone: InstanceChanges | undefined;

  updateWhenDone(changes: InstanceChanges): void {
    this.whenDone = { ...this.whenDone, ...changes };
  }

  async remember(facts: Record<string, unknown>): Promise<void> {
    Object.assign(this.operation.data, facts);
    const { numUpdatedRows } = await this.db.updateTable('operations').set({ data_json: JSON.stringify(this.operation.data) })
      .where(ownedRow(this.operation, this.options.owner)).executeTakeFirst();
    if (numUpdatedRows === 0n) throw new OwnershipLost();
  }

  async command<V extends HostVerb>(hostId: string, verb: V, args: HostVerbArgs<V>): Promise<unknown> {
    const { operation, options } = this;
    if (!options.owned()) throw new OwnershipLost();
    const cancelling = operation.phase === 'do' && operation.cancel === CANCEL.undo;
    let out: string | undefined;
    const report = await this.awaitedReport(hostId, verb) ?? await inTransaction(this.db, async (trx) => {
      const known = await trx.selectFrom('commands').selectAll()
        .where('operation_id', '=', operation.id).where('phase', '=', operation.phase).where('step', '=', options.step)
        .where('attempt', '=', operation.attempt).where('host_id', '=', hostId).where('verb', '=', verb).forUpdate().executeTakeFirst();
      if (known?.report_json) return JSON.parse(known.report_json) as CommandReport;
      if (known && known.state !== 'sent') return 'expired';
      if (known) {
        const { late } = await trx.selectNoFrom(sql<number>`${known.deadline} <= NOW(3)`.as('late')).executeTakeFirstOrThrow();
        if (late) {
          await trx.updateTable('commands').set({ state: 'expired', finished_at: dbNow }).where('id', '=', known.id).execute();
          return 'expired';
        }
        await this.park(trx, cancelling ? sql<Date>`LEAST(${known.deadline}, ${dbNowPlus(CALL_BACK_MS)})` : unlessUnwanted(operation, known.deadline), known.id);
        out = known.id;
        return 'parked';
      }
      if (cancelling) throw new Cancelled();
      const id = newUuid();
      await trx.insertInto('commands').values({
        id, operation_id: operation.id, instance_id: operation.instanceId, host_id: hostId, phase: operation.phase, step: options.step,
        attempt: operation.attempt, generation: operation.generation, verb, args_json: JSON.stringify(args), state: 'sent', report_json: null,
        deadline: options.deadline, created_at: dbNow, finished_at: null,
      }).execute();
      await addToOutbox(trx, {
        id, topic: COMMAND_TOPIC, target: hostId,
        payload: {
          commandId: id, operationId: operation.id, step: options.step, generation: operation.generation, instanceId: operation.instanceId,
          verb, args, requestId: operation.requestId,
        },
      });
      await this.park(trx, unlessUnwanted(operation, options.deadline), id);
      return 'parked';
    });
    if (report === 'parked') {
      options.wakeRelay();
      if (cancelling && out !== undefined) await this.callBack(hostId, out);
      throw new Parked();
    }
    if (report === 'expired') {
      throw new CloudError('timeout', `The host did not answer the command '${verb}' in time.`, { type: 'CommandExpired', retryable: false });
    }
    if (report.ok) return report.result;
    throw new CloudError('internal', report.error?.message ?? `The host could not carry out '${verb}'.`, { type: 'CommandFailed', retryable: false });
  }

  /** The report that the operation was parked for, when that is what the step asks for: it does not change any more. */
  private async awaitedReport(hostId: string, verb: HostVerb): Promise<CommandReport | undefined> {
    const { operation, options } = this;
    if (operation.waitingCommand === undefined) return undefined;
    const row = await this.db.selectFrom('commands').select('report_json').where('id', '=', operation.waitingCommand)
      .where('operation_id', '=', operation.id).where('phase', '=', operation.phase).where('step', '=', options.step)
      .where('attempt', '=', operation.attempt).where('host_id', '=', hostId).where('verb', '=', verb).executeTakeFirst();
    return row?.report_json ? (JSON.parse(row.report_json) as CommandReport) : undefined;
  }

  async waitFor(ms: number): Promise<never> {
    await inTransaction(this.db, (trx) => this.park(trx, unlessUnwanted(this.operation, dbNowPlus(ms)), null));
    throw new Parked();
  }

  async passPointOfNoReturn(): Promise<void> {
    const { operation, options } = this;
    if (operation.noReturn) return;
    const { numUpdatedRows } = await this.db.updateTable('operations').set({ no_return: 1, error_json: null })
      .where(ownedRow(operation, options.owner)).where('cancel_requested', '=', CANCEL.no).executeTakeFirst();
    if (numUpdatedRows === 0n) {
      const row = await this.db.selectFrom('operations').select('cancel_requested').where(ownedRow(operation, options.owner)).executeTakeFirst();
      if (!row) throw new OwnershipLost();
      throw row.cancel_requested === CANCEL.superseded ? new Superseded() : new Cancelled();
    }
    Object.assign(operation, { noReturn: true, failure: undefined });
  }

  /** A lost word is said again at the next look; the report tells how the command has ended. */
  private async callBack(hostId: string, commandId: string): Promise<void> {
    const { operation, neighbours, logger } = this;
    await neighbours.host(hostId).cancelCommand({ instanceId: operation.instanceId, commandId })
      .catch((error: unknown) => logger.debug({ hostId, commandId, reason: errorMessage(error) }, 'host not told of the cancel yet'));
  }

  /** Lets go of the operation until `due`, or until somebody sets `due_at` earlier. */
  private async park(trx: Transaction<ComputeDb>, due: ReturnType<typeof dbNowPlus>, command: string | null): Promise<void> {
    const { numUpdatedRows } = await trx.updateTable('operations')
      .set({ state: 'parked', owner: null, lease_until: null, due_at: due, waiting_command: command })
      .where(ownedRow(this.operation, this.options.owner)).executeTakeFirst();
    if (numUpdatedRows === 0n) throw new OwnershipLost();
  }
}
