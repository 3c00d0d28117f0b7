import { ENDED_MIGRATION_STATUSES } from '@virga/domain';
import type { Transaction } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';
import { releaseUsage } from '../quotas/quota-usage';
import { CANCEL } from '../operations/operation';
import type { StepContext, Workflow } from '../operations/workflow';
import type { ServerFlavor } from '../servers/server-row';
import { recordFault } from './record-fault';
import { commandNowOrLater } from './silent-host';

/**
 * Ends the instance's older operations: those that nobody is working on at once, the others at their next step (their
 * conductor sees the request; a dead one's lease runs out). True when none is left.
 */
async function endOlderOperations({ db, operation }: StepContext): Promise<boolean> {
  const older = () => db.updateTable('operations').where('instance_id', '=', operation.instanceId).where('id', '!=', operation.id).where('generation', '<', operation.generation);
  await older().set({ state: 'cancelled', owner: null, lease_until: null, waiting_command: null, finished_at: dbNow })
    .where((eb) => eb.or([eb('state', 'in', ['pending', 'parked']), eb.and([eb('state', '=', 'running'), eb('lease_until', '<', dbNow)])])).execute();
  const { numUpdatedRows } = await older().set({ cancel_requested: CANCEL.superseded }).where('state', '=', 'running').executeTakeFirst();
  if (numUpdatedRows !== 0n) return false;
  // Nobody waits for what they have asked of hosts; a build that is still on its way is not delivered any more.
  await db.updateTable('commands').set({ state: 'expired', finished_at: dbNow })
    .where('instance_id', '=', operation.instanceId).where('generation', '<', operation.generation).where('state', '=', 'sent').execute();
  return true;
}

/** Images of snapshots that this deletion has cut short: nobody would bring their data any more. */
async function discardSnapshots({ db, operation, neighbours }: StepContext): Promise<void> {
  const cut = await db.selectFrom('operations').select('args_json').where('instance_id', '=', operation.instanceId).where('kind', '=', 'snapshot-instance').where('state', '=', 'cancelled').execute();
  for (const { args_json: text } of cut) await neighbours.image.discardSnapshot({ imageId: (JSON.parse(text) as { imageId: string }).imageId });
}

const CLEARING: readonly string[] = ['destroy', 'discardAside'];

/** Hosts that may hold something of the instance: something was made there, and nothing has cleared it away since. */
export async function hostsWithRemains(db: StepContext['db'], instanceId: string): Promise<string[]> {
  const commands = await db.selectFrom('commands').select(['host_id', 'verb', 'state']).where('instance_id', '=', instanceId)
    .where('verb', 'in', ['build', 'prepareMigration', 'receiveDisks', 'bringBack', ...CLEARING]).orderBy('created_at').execute();
  const remains = new Set<string>();
  const moves = await db.selectFrom('migrations').select(['source_host_id', 'dest_host_id']).where('instance_id', '=', instanceId).where('status', 'not in', [...ENDED_MIGRATION_STATUSES]).execute();
  for (const { host_id: hostId, verb, state } of commands) {
    if (!CLEARING.includes(verb)) remains.add(hostId);
    else if (state === 'done') remains.delete(hostId);
  }
  // What was put aside on the source lies there until the move is confirmed.
  for (const move of moves) for (const hostId of [move.source_host_id, move.dest_host_id]) if (hostId !== null) remains.add(hostId);
  return [...remains];
}

export const deleteInstance: Workflow = {
  kind: 'delete-instance',
  steps: [
    {
      name: 'supersede_operations',
      timeoutMs: 600_000,
      async do(context) {
        if (!(await endOlderOperations(context))) await context.waitFor(500);
        await discardSnapshots(context);
        const row = await context.instance();
        const hosts = new Set(await hostsWithRemains(context.db, row.id));
        if (row.host_id !== null) hosts.add(row.host_id);
        return { hostIds: [...hosts], hostname: row.host };
      },
    },
    {
      name: 'destroy_on_host',
      timeoutMs: 120_000,
      async do(context) {
        for (const hostId of context.data.hostIds as string[]) await commandNowOrLater(context, hostId, 'destroy', {}, 'host did not answer; the instance is deleted without it');
      },
    },
    {
      name: 'release_ports',
      timeoutMs: 300_000,
      async do(context) {
        await context.neighbours.network.releasePorts({ instanceId: context.operation.instanceId });
      },
    },
    {
      name: 'release_host',
      timeoutMs: 300_000,
      async do(context) {
        const { db, neighbours, operation: { instanceId } } = context;
        for (const { uuid } of await db.selectFrom('migrations').select('uuid').where('instance_id', '=', instanceId).where('status', 'not in', [...ENDED_MIGRATION_STATUSES]).execute()) {
          await neighbours.placement.release({ consumerId: uuid });
        }
        await neighbours.placement.release({ consumerId: instanceId });
      },
    },
  ],
  retry: { from: 'supersede_operations', attempts: 3, note: (data) => data },
  async succeeded(trx, { instanceId, generation }) {
    await markDeleted(trx, instanceId, generation);
  },
  async failed(trx, { instanceId, generation }, failure) {
    await trx.updateTable('instances').set({ vm_state: 'error', task_state: null, updated_at: dbNow, state_changed_at: dbNow })
      .where('id', '=', instanceId).where('generation', '=', generation).execute();
    await recordFault(trx, instanceId, failure);
  },
};

/** The row stays for the records; what it took of the quota is given back in the same transaction. */
async function markDeleted(trx: Transaction<ComputeDb>, instanceId: string, generation: number): Promise<void> {
  const row = await trx.selectFrom('instances').select(['project_id', 'flavor_json', 'held_cores', 'held_ram']).where('id', '=', instanceId).executeTakeFirstOrThrow();
  const flavor = JSON.parse(row.flavor_json) as ServerFlavor;
  const { numUpdatedRows } = await trx.updateTable('instances')
    .set({ vm_state: 'deleted', task_state: null, power_state: 0, host_id: null, held_cores: 0, held_ram: 0, deleted_at: dbNow, terminated_at: dbNow, updated_at: dbNow, state_changed_at: dbNow, user_data: null, admin_pass: null })
    .where('id', '=', instanceId).where('generation', '=', generation).where('deleted_at', 'is', null).executeTakeFirst();
  await trx.deleteFrom('server_group_members').where('instance_id', '=', instanceId).execute();
  await trx.updateTable('migrations').set({ status: 'cancelled', updated_at: dbNow }).where('instance_id', '=', instanceId).where('status', 'not in', [...ENDED_MIGRATION_STATUSES]).execute();
  if (numUpdatedRows === 1n) await releaseUsage(trx, row.project_id, { instances: 1, cores: flavor.vcpus + row.held_cores, ram: flavor.ram + row.held_ram });
}

