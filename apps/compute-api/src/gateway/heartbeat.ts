import { newUuid, type Logger } from '@virga/core';
import type { agentGatewayContract } from '@virga/contracts';
import type { MethodInput } from '@virga/rpc';
import { inTransaction, sql, type Kysely, type Transaction } from '@virga/db';
import { stateFromObservation } from '@virga/domain';
import type { ComputeDb } from '../db/schema';
import { dbNow, dbNowPlus } from '../db/time';
import { keptOn } from '../live-migration/kept-halves';
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

interface KnownHost { id: string; availability_zone: string; seen_at: Date }

/**
 * Keeps what hosts report about themselves and compares what they run with what they should run, all in one transaction:
 * many hosts cost little more than one. Each host may be in the list once. An observation counts for an instance only
 * when nobody works on it and its state is older than the host's last report: the host has made this report after that
 * one was answered, so it cannot have missed the change.
 */
export async function takeHeartbeats(
  db: Kysely<ComputeDb>, logger: Logger, heartbeats: readonly Heartbeat[], { leaseMs, defaultZone }: { leaseMs: number; defaultZone: string },
): Promise<HeartbeatResult[]> {
  return inTransaction(db, async (trx) => {
    const rows = await trx.selectFrom('hosts').select(['id', 'availability_zone', 'seen_at'])
      .where('id', 'in', heartbeats.map(({ facts }) => facts.hostId)).orderBy('id').forUpdate().execute();
    const known = new Map(rows.map((row) => [row.id, row]));
    const [old, fresh] = [heartbeats.filter(({ facts }) => known.has(facts.hostId)), heartbeats.filter(({ facts }) => !known.has(facts.hostId))];
    if (old.length > 0) await renewHosts(trx, old, leaseMs);
    for (const { facts, usage, sequence } of fresh) {
      await trx.insertInto('hosts').values({
        id: facts.hostId, hostname: facts.hostname, facts_json: JSON.stringify(facts), usage_json: JSON.stringify(usage), sequence, availability_zone: defaultZone,
        lease_until: dbNowPlus(leaseMs), seen_at: dbNow, previous_seen_at: dbNow, created_at: dbNow,
      }).execute();
    }
    const zoneOf = (hostId: string) => known.get(hostId)?.availability_zone ?? defaultZone;
    const disabled = await renewServices(trx, heartbeats, leaseMs, zoneOf);
    const started = await reconcile(trx, logger, old, known);
    return heartbeats.map(({ facts: { hostId, hostname } }) => ({ enabled: !disabled.has(hostname), availabilityZone: zoneOf(hostId), started: started.get(hostId) ?? [] }));
  });
}

async function renewHosts(trx: Transaction<ComputeDb>, heartbeats: readonly Heartbeat[], leaseMs: number): Promise<void> {
  const told = heartbeats.map(({ facts, usage, sequence }) =>
    sql`SELECT ${facts.hostId} AS id, ${facts.hostname} AS hostname, ${JSON.stringify(facts)} AS facts, ${JSON.stringify(usage)} AS used, ${sequence} AS sequence`);
  await sql`UPDATE hosts AS h JOIN (${sql.join(told, sql` UNION ALL `)}) AS told ON told.id = h.id
    SET h.previous_seen_at = h.seen_at, h.seen_at = NOW(3), h.lease_until = ${dbNowPlus(leaseMs)}, h.hostname = told.hostname,
      h.facts_json = told.facts, h.usage_json = told.used, h.sequence = told.sequence`.execute(trx);
}

/** Returns the names of hosts that an operator has disabled. */
async function renewServices(trx: Transaction<ComputeDb>, heartbeats: readonly Heartbeat[], leaseMs: number, zoneOf: (hostId: string) => string): Promise<Set<string>> {
  const services = new Map((await trx.selectFrom('services').select(['id', 'host', 'host_id', 'zone', 'disabled']).where('binary', '=', 'nova-compute')
    .where('host', 'in', heartbeats.map(({ facts }) => facts.hostname)).execute()).map((row) => [row.host, row]));
  const lease = { lease_until: dbNowPlus(leaseMs), updated_at: dbNow };
  const renewed: number[] = [];
  for (const { facts: { hostId, hostname } } of heartbeats) {
    const service = services.get(hostname);
    const zone = zoneOf(hostId);
    if (service?.host_id === hostId && service.zone === zone) renewed.push(service.id);
    else await trx.insertInto('services').values({ uuid: newUuid(), binary: 'nova-compute', host: hostname, host_id: hostId, zone, disabled_reason: null, ...lease })
      .onDuplicateKeyUpdate({ host_id: hostId, zone, ...lease }).execute();
  }
  if (renewed.length > 0) await trx.updateTable('services').set(lease).where('id', 'in', renewed.sort((a, b) => a - b)).execute();
  return new Set([...services.values()].filter(({ disabled }) => disabled !== 0).map(({ host }) => host));
}

/** Returns the operations that were started, by host. */
async function reconcile(
  trx: Transaction<ComputeDb>, logger: Logger, heartbeats: readonly Heartbeat[], known: ReadonlyMap<string, KnownHost>,
): Promise<Map<string, string[]>> {
  const started = new Map<string, string[]>();
  if (heartbeats.length === 0) return started;
  const booked = await trx.selectFrom('instances').select(['id', 'host_id', 'vm_state', 'task_state', 'power_state', 'state_changed_at'])
    .where('host_id', 'in', heartbeats.map(({ facts }) => facts.hostId)).where('deleted_at', 'is', null).execute();
  const bookedOn = new Map<string, typeof booked>();
  for (const row of booked) bookedOn.set(row.host_id!, [...(bookedOn.get(row.host_id!) ?? []), row]);
  for (const { facts: { hostId }, instances } of heartbeats) {
    const lastSeen = known.get(hostId)!.seen_at;
    const reported = new Map(instances.map(({ instanceId, powerState }) => [instanceId, powerState]));
    const here = bookedOn.get(hostId) ?? [];
    for (const row of here) {
      const powerState = reported.get(row.id) ?? 0;
      if (row.task_state !== null || row.state_changed_at >= lastSeen) continue;
      if (powerState === row.power_state || row.vm_state === 'error' && !reported.has(row.id)) continue;
      await observe(trx, logger, row, powerState);
    }
    const bookedHere = new Set(here.map(({ id }) => id));
    started.set(hostId, await reap(trx, logger, hostId, lastSeen, [...reported.keys()].filter((id) => !bookedHere.has(id))));
  }
  return started;
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
  const kept = await keptOn(trx, hostId, strays.map(({ id }) => id));
  for (const { id, generation } of strays) {
    if (busyIds.has(id) || kept.has(id)) continue;
    logger.warn({ hostId, instanceId: id }, 'instance should not be on this host; it is taken away');
    started.push(await startOperation(trx, {
      kind: 'reap-instance', instanceId: id, generation, args: { hostId }, actor: { requestId: `req-reap-${id}`, userId: 'conductor', projectId: null, roles: [] },
    }));
  }
  return started;
}
