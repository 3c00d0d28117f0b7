import type { CommandReport } from '@virga/contracts';
import type { Logger } from '@virga/core';
import { inTransaction, sql, type Kysely } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';

/** Largest report that is kept; an agent's word is not trusted to be small. */
const MAX_REPORT = 64 * 1024;

/**
 * Keeps how a command ended and makes its operation due. Returns the operation's id, or undefined for a report that
 * is not (or no longer) waited for: that is logged and otherwise forgotten, so that the agent may forget it too.
 */
export async function takeReport(db: Kysely<ComputeDb>, logger: Logger, report: CommandReport): Promise<string | undefined> {
  const refuse = (reason: string) => {
    logger.warn({ reason, commandId: report.commandId, hostId: report.hostId, operationId: report.operationId }, 'report not used');
    return undefined;
  };
  const text = JSON.stringify(report);
  if (text.length <= MAX_REPORT && await takeAwaited(db, report, text)) return report.operationId;
  return inTransaction(db, async (trx) => {
    const command = await trx.selectFrom('commands').selectAll().where('id', '=', report.commandId).forUpdate().executeTakeFirst();
    if (!command) return refuse('unknown command');
    if (command.host_id !== report.hostId) return refuse('command of another host');
    if (command.operation_id !== report.operationId || command.instance_id !== report.instanceId || command.generation !== report.generation) return refuse('does not match its command');
    if (command.state === 'done' || command.state === 'failed') return refuse('repeated');
    const kept = text.length <= MAX_REPORT ? text : JSON.stringify({ ...report, result: undefined, ...(report.error && { error: { message: report.error.message.slice(0, 4000), retryable: report.error.retryable } }) });
    const late = command.state !== 'sent';
    // A late report is kept too: it tells whether the host still holds something of the instance.
    await trx.updateTable('commands').set({ state: report.ok ? 'done' : 'failed', finished_at: dbNow, ...(late ? {} : { report_json: kept }) })
      .where('id', '=', command.id).execute();
    if (late) return refuse('late');
    await trx.updateTable('operations').set({ due_at: dbNow }).where('id', '=', command.operation_id).where('waiting_command', '=', command.id).execute();
    return command.operation_id;
  });
}

/** The usual case in one statement: a command that is waited for, told of by its own host. False when anything is unusual. */
async function takeAwaited(db: Kysely<ComputeDb>, { commandId, operationId, instanceId, hostId, generation, ok }: CommandReport, text: string): Promise<boolean> {
  const { numAffectedRows } = await sql`UPDATE commands AS c JOIN operations AS o ON o.id = c.operation_id AND o.waiting_command = c.id
    SET c.state = ${ok ? 'done' : 'failed'}, c.finished_at = NOW(3), c.report_json = ${text}, o.due_at = NOW(3)
    WHERE c.id = ${commandId} AND c.state = 'sent' AND c.host_id = ${hostId} AND c.operation_id = ${operationId} AND c.instance_id = ${instanceId} AND c.generation = ${generation}`.execute(db);
  return numAffectedRows !== undefined && numAffectedRows > 0n;
}
