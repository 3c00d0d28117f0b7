import { newUuid, type Logger } from '@virga/core';
import type { agentGatewayContract } from '@virga/contracts';
import type { MethodInput } from '@virga/rpc';
import { inTransaction, type Kysely, type Transaction } from '@virga/db';
import { stateFromObservation } from '@virga/domain';
import type { ComputeDb } from '../db/schema';
import { dbNow, dbNowPlus } from '../db/time';
import { LIVE_STATES } from '../operations/operation';
import { startOperation } from '../operations/start-operation';

const REAP_PAUSE_MS = 60_000;

export type Heartbeat = MethodInput<(typeof agentGatewayContract)['methods']['heartbeat']>;

export interface HeartbeatResult {
  /** What the scheduler must know beside the report. */
  enabled: boolean;
  availabilityZone: string;
  /** Operations that the report made necessary. */
  started: string[];
}

/**
 * Keeps what a host reports about itself and compares what it runs with what it should run. An observation counts for
 * an instance only when nobody works on it and its state is older than the host's last report: the host has made this
 * report after that one was answered, so it cannot have missed the change.
 */
export async function takeHeartbeat(
  db: Kysely<ComputeDb>, logger: Logger, { facts, usage, instances, sequence }: Heartbeat, { leaseMs, defaultZone }: { leaseMs: number; defaultZone: string },
): Promise<HeartbeatResult> {
  return inTransaction(db, async (trx) => {
    const known = await trx.selectFrom('hosts').selectAll().where('id', '=', facts.hostId).forUpdate().executeTakeFirst();
    const seen = { facts_json: JSON.stringify(facts), usage_json: JSON.stringify(usage), sequence, hostname: facts.hostname, lease_until: dbNowPlus(leaseMs), seen_at: dbNow };
    if (known) await trx.updateTable('hosts').set({ ...seen, previous_seen_at: known.seen_at }).where('id', '=', facts.hostId).execute();
    else await trx.insertInto('hosts').values({ id: facts.hostId, ...seen, availability_zone: defaultZone, previous_seen_at: dbNow, created_at: dbNow }).execute();
    const zone = known?.availability_zone ?? defaultZone;
    await trx.insertInto('services')
      .values({ uuid: newUuid(), binary: 'nova-compute', host: facts.hostname, host_id: facts.hostId, zone, disabled_reason: null, lease_until: dbNowPlus(leaseMs), updated_at: dbNow })
      .onDuplicateKeyUpdate({ host_id: facts.hostId, zone, lease_until: dbNowPlus(leaseMs), updated_at: dbNow }).execute();
    const { disabled } = await trx.selectFrom('services').select('disabled').where('binary', '=', 'nova-compute').where('host', '=', facts.hostname).executeTakeFirstOrThrow();
    const started = known ? await reconcile(trx, logger, facts.hostId, known.seen_at, instances) : [];
    return { enabled: disabled === 0, availabilityZone: zone, started };
  });
}

async function reconcile(trx: Transaction<ComputeDb>, logger: Logger, hostId: string, lastSeen: Date, observed: Heartbeat['instances']): Promise<string[]> {
  const reported = new Map(observed.map(({ instanceId, powerState }) => [instanceId, powerState]));
  const booked = await trx.selectFrom('instances').select(['id', 'vm_state', 'task_state', 'power_state'])
    .where('host_id', '=', hostId).where('deleted_at', 'is', null).where('task_state', 'is', null).where('state_changed_at', '<', lastSeen).execute();
  for (const row of booked) {
    const powerState = reported.get(row.id) ?? 0;
    if (powerState === row.power_state || row.vm_state === 'error' && !reported.has(row.id)) continue;
    await observe(trx, logger, row, powerState);
  }
  return reap(trx, logger, hostId, lastSeen, [...reported.keys()]);
}

export async function observe(trx: Transaction<ComputeDb>, logger: Logger, row: { id: string; vm_state: string; power_state: number }, powerState: number): Promise<void> {
  const change = stateFromObservation(row.vm_state, powerState);
  if (powerState === 0) logger.warn({ instanceId: row.id, vmState: row.vm_state }, 'instance is not on its host');
  await trx.updateTable('instances')
    .set({ power_state: powerState, ...(change?.vmState && { vm_state: change.vmState, state_changed_at: dbNow, updated_at: dbNow }) })
    .where('id', '=', row.id).where('task_state', 'is', null).where('vm_state', '=', row.vm_state).execute();
}

/** What a host runs of instances that are deleted or live elsewhere is taken away; what we have never heard of is only told. */
async function reap(trx: Transaction<ComputeDb>, logger: Logger, hostId: string, lastSeen: Date, ids: string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await trx.selectFrom('instances').select(['id', 'host_id', 'deleted_at', 'generation', 'state_changed_at']).where('id', 'in', ids).execute();
  const known = new Set(rows.map(({ id }) => id));
  for (const id of ids) if (!known.has(id)) logger.warn({ hostId, instanceId: id }, 'host runs an instance that is not in our books');
  const strays = rows.filter((row) => row.host_id !== hostId && row.state_changed_at < lastSeen);
  if (strays.length === 0) return [];
  // Whoever is at it is left to it; a reaping that has failed is not repeated with every report.
  const busy = await trx.selectFrom('operations').select('instance_id').where('instance_id', 'in', strays.map(({ id }) => id))
    .where((eb) => eb.or([eb('state', 'in', [...LIVE_STATES]), eb.and([eb('kind', '=', 'reap-instance'), eb('state', '=', 'failed'), eb('finished_at', '>', dbNowPlus(-REAP_PAUSE_MS))])])).execute();
  const busyIds = new Set(busy.map((row) => row.instance_id));
  const started: string[] = [];
  for (const { id, generation } of strays) {
    if (busyIds.has(id)) continue;
    logger.warn({ hostId, instanceId: id }, 'instance should not be on this host; it is taken away');
    started.push(await startOperation(trx, {
      kind: 'reap-instance', instanceId: id, generation, args: { hostId }, actor: { requestId: `req-reap-${id}`, userId: 'conductor', projectId: null, roles: [] },
    }));
  }
  return started;
}
