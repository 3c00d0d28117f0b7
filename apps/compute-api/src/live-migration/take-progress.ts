import type { agentGatewayContract } from '@virga/contracts';
import { notFound, type Logger } from '@virga/core';
import { inTransaction, type Kysely } from '@virga/db';
import type { MethodInput } from '@virga/rpc';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';
import { LIVE_STATES } from '../operations/operation';

type Progress = MethodInput<(typeof agentGatewayContract)['methods']['migrationProgress']>;

/** Those in which a source has something to tell. */
const RUNNING = ['running', 'running (post-copy)'];

/**
 * Keeps how far a migration has come; only its own source is believed. After the switch to post-copy there is no way back, and its
 * operation is told so. Returns whether somebody wants it to end at any price, and after the switch its other end.
 */
export async function takeProgress(db: Kysely<ComputeDb>, logger: Logger, progress: Progress): Promise<{ forced: boolean; destinationHostId?: string }> {
  return inTransaction(db, async (trx) => {
    const row = await trx.selectFrom('migrations').selectAll().where('uuid', '=', progress.migrationId).where('instance_id', '=', progress.instanceId).forUpdate().executeTakeFirst();
    if (!row || row.source_host_id !== progress.hostId || !RUNNING.includes(row.status)) {
      logger.warn({ hostId: progress.hostId, instanceId: progress.instanceId, migrationId: progress.migrationId }, 'progress of a migration that does not run on this host; refused');
      throw notFound('No such migration runs on this host.');
    }
    const forced = row.wish === 'force_complete';
    if (progress.sequence <= row.progress_sequence) return { forced };
    const switched = progress.mode === 'post-copy' || row.status === 'running (post-copy)';
    await trx.updateTable('migrations').set({
      status: switched ? 'running (post-copy)' : 'running', mode: switched ? 'post-copy' : 'pre-copy', iteration: progress.iteration, dirty_bytes_per_second: progress.dirtyRate, eta_ms: progress.etaMs,
      downtime_ms: progress.downtimeMs, total_ms: progress.totalMs, memory_total: progress.memoryTotal, memory_processed: progress.memoryProcessed, memory_remaining: progress.memoryRemaining,
      disk_total: progress.diskTotal, disk_processed: progress.diskProcessed, disk_remaining: progress.diskRemaining, progress_sequence: progress.sequence, updated_at: dbNow,
    }).where('id', '=', row.id).execute();
    if (row.operation_id !== null) {
      if (switched) await trx.updateTable('operations').set({ no_return: 1 }).where('id', '=', row.operation_id).where('state', 'in', [...LIVE_STATES]).execute();
      await trx.updateTable('operation_steps').set({ details: sentence(progress) }).where('operation_id', '=', row.operation_id).where('step', '=', 'migrate').where('phase', '=', 'do').execute();
    }
    return { forced, ...(switched && row.dest_host_id !== null && { destinationHostId: row.dest_host_id }) };
  });
}

const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

/** For people, in the event of the server's history. */
function sentence({ mode, iteration, memoryRemaining, diskRemaining, dirtyRate, etaMs, downtimeMs, totalMs }: Progress): string {
  return [
    `${mode}, iteration ${iteration}, ${mb(memoryRemaining)} of memory and ${mb(diskRemaining)} of disk to go, guest dirties ${mb(dirtyRate)}/s`,
    etaMs === null ? 'no end in sight' : `${(etaMs / 1000).toFixed(1)} s left`, `${(totalMs / 1000).toFixed(1)} s so far`, ...(downtimeMs === null ? [] : [`guest paused ${downtimeMs} ms`]),
  ].join(', ');
}
