import type { GuestPlaces, InstancePort, MigrationLimits, MigrationOutcome } from '@virga/contracts';
import { conflict } from '@virga/core';
import type { Transaction } from '@virga/db';
import type { MigrationStatus } from '@virga/domain';
import type { ComputeDb } from '../db/schema';
import { dbNow } from '../db/time';
import { askDestination, arrivalOf, isAlive, type Arrival } from '../live-migration/arrival';
import { findDestination, refusalOf, refuseDestination } from '../live-migration/refuse-destination';
import { updateMigration } from '../migrations/migration.repository';
import type { Operation } from '../operations/operation';
import type { StepContext, Workflow } from '../operations/workflow';
import type { ServerFlavor } from '../servers/server-row';
import { claimHost } from './claim-host';
import { instanceSpec } from './instance-spec';
import { recordAttempts, refuseOtherThan, tryElsewhere } from './try-elsewhere';
import { commandNowOrLater, isExpired } from './silent-host';
import { bindTo, portsOf, zoneOf } from './cold-move';

export interface LiveMigrateArgs {
  migrationId: number;
  /** Under which the destination's room is held. */
  migrationUuid: string;
  sourceHostId: string;
  sourceHostname: string;
  /** Name of the destination; absent when the scheduler chooses. */
  host?: string;
  /** Only what makes it impossible may refuse the destination. */
  force?: boolean;
  /** Whether disks are to be copied; absent where that is for the hosts to find out. */
  blockMigration?: boolean;
}

/** For what comes before and after the hypervisors' own work. */
const MARGIN_MS = 600_000;

const argsOf = ({ operation }: { operation: Operation }) => operation.args as unknown as LiveMigrateArgs;
interface Chosen { destHostId: string; destHostname: string; uri: string; address: string }
const chosenOf = ({ data }: StepContext) => data as unknown as Chosen & { places: GuestPlaces; ports: InstancePort[]; outcome?: MigrationOutcome; arrival?: Arrival };

async function chooseDestination(context: StepContext): Promise<Record<string, unknown>> {
  const { db, neighbours, operation, data } = context;
  const { migrationId, migrationUuid, sourceHostId, host, force = false, blockMigration } = argsOf(context);
  const row = await context.instance();
  refuseOtherThan(host, data, 'MigrationPreCheckError');
  const judge = async (name: string, claimed: boolean) => {
    const destination = await findDestination(db, name);
    if (!destination) throw conflict(`Compute host ${name} could not be found.`, { type: 'ComputeHostNotFound' });
    const reasons = await refuseDestination({ db, neighbours, actor: operation.actor, row, destination, forced: force, claimed, blockMigration });
    if (reasons.length > 0) throw conflict(refusalOf(name, reasons), { type: 'MigrationPreCheckError', details: { reasons } });
    return destination;
  };
  if (host !== undefined && data.destHostId == null) await judge(host, false);
  const { hostId, hostname } = await claimHost(context, row, {
    consumerId: migrationUuid, flavor: JSON.parse(row.flavor_json) as ServerFlavor, notOn: [sourceHostId], forceGroup: force,
    // A named host has been judged, with every reason at once.
    ...(host !== undefined ? { host, skipFilters: true } : { availabilityZone: row.requested_az }),
  });
  // Before anything else may fail, so that the next attempt knows which host it was.
  await context.remember({ destHostId: hostId, destHostname: hostname });
  const { facts } = await judge(hostname, true);
  await updateMigration(db, migrationId, { status: 'preparing', dest_host_id: hostId, dest_compute: hostname, dest_host: facts.hostIp });
  return { uri: facts.migrationUri, address: facts.hostIp };
}

/** Moves a running guest to another host. Nothing of it is lost on the way: until it runs there, everything can be taken back. */
export const liveMigrate = (limits: MigrationLimits): Workflow => ({
  kind: 'live-migrate',
  steps: [
    {
      name: 'choose_destination',
      timeoutMs: 120_000,
      do: chooseDestination,
      async undo(context) {
        await context.neighbours.placement.release({ consumerId: argsOf(context).migrationUuid });
        await context.remember({ destHostId: null, destHostname: null });
      },
    },
    {
      name: 'bind_ports_on_both',
      timeoutMs: 120_000,
      async do(context) {
        const { sourceHostId, sourceHostname } = argsOf(context);
        const { destHostId, destHostname } = chosenOf(context);
        if ((await portsOf(context)).length === 0) return { ports: [] };
        return await context.neighbours.network.bindPorts({ instanceId: context.operation.instanceId, hostId: sourceHostId, hostname: sourceHostname, next: { hostId: destHostId, hostname: destHostname } });
      },
      async undo(context) {
        const { sourceHostId, sourceHostname } = argsOf(context);
        await bindTo(context, sourceHostId, sourceHostname);
      },
    },
    {
      name: 'prepare_destination',
      timeoutMs: 600_000,
      async do(context) {
        const { destHostId, ports } = chosenOf(context);
        return await context.command(destHostId, 'prepareMigration', { ...instanceSpec(await context.instance(), ports), comesFrom: argsOf(context).sourceHostId }) as Record<string, unknown>;
      },
      async undo(context) {
        await context.command(chosenOf(context).destHostId, 'destroy', {});
      },
    },
    {
      name: 'migrate',
      timeoutMs: limits.deadlineMs + (limits.recoverMs ?? 0) + MARGIN_MS,
      pointOfNoReturn: true,
      async do(context) {
        const { migrationId, migrationUuid, sourceHostId } = argsOf(context);
        const { uri, address, places } = chosenOf(context);
        await updateMigration(context.db, migrationId, { status: 'running' });
        try {
          return { outcome: await context.command(sourceHostId, 'migrateLive', { migrationId: migrationUuid, attempt: context.operation.attempt, destination: { uri, address, places }, limits }) };
        } catch (error) {
          // A source that is silent after the switch, or that may have sent the guest away, is believed nothing: its other end is asked.
          if (!isExpired(error)) throw error;
          return { outcome: { outcome: 'doubtful', reason: 'the source did not answer' } satisfies MigrationOutcome };
        }
      },
    },
    {
      // Where the guest is: what the source has seen, compared with what the destination has. From here on nothing is undone.
      name: 'arrive',
      timeoutMs: 180_000,
      async do(context) {
        const { migrationId } = argsOf(context);
        const { destHostId, outcome, arrival: known } = chosenOf(context);
        const row = await context.db.selectFrom('migrations').select('mode').where('id', '=', migrationId).executeTakeFirst();
        const arrival = known ?? arrivalOf(outcome?.outcome ?? 'doubtful', row?.mode === 'post-copy', await askDestination(context, destHostId), outcome?.reason);
        await context.remember({ arrival });
        if (arrival.message !== undefined) throw conflict(arrival.message, { type: arrival.kept ? 'PostCopyBroken' : 'MigrationFailed' });
      },
    },
    {
      name: 'move_books',
      timeoutMs: 300_000,
      async do(context) {
        const { destHostId, destHostname, arrival } = chosenOf(context);
        const { migrationUuid, sourceHostId, sourceHostname } = argsOf(context);
        const { operation: { instanceId }, neighbours } = context;
        if (arrival?.place !== 'destination') {
          await bindTo(context, sourceHostId, sourceHostname);
          await neighbours.placement.release({ consumerId: migrationUuid });
          return;
        }
        await context.updateInstance({ host_id: destHostId, host: destHostname, availability_zone: zoneOf(destHostId), state_changed_at: dbNow });
        await bindTo(context, destHostId, destHostname);
        await neighbours.placement.transfer({ from: migrationUuid, to: instanceId });
      },
    },
    {
      name: 'clean_up',
      timeoutMs: 120_000,
      async do(context) {
        const { destHostId, arrival } = chosenOf(context);
        if (!arrival || arrival.kept) return;
        const hostId = arrival.place === 'destination' ? argsOf(context).sourceHostId : destHostId;
        await commandNowOrLater(context, hostId, 'destroy', {}, 'the host did not answer; what it has left of the guest is taken away later');
      },
    },
  ],
  retry: tryElsewhere('choose_destination', 'destHostId', 'destHostname'),
  async succeeded(trx, operation) {
    await settle(trx, operation, 'completed');
  },
  async failed(trx, operation, failure) {
    await settle(trx, operation, isAlive(arrivalIn(operation)) ? 'completed' : FAILED_BEFORE.has(failure.step) ? 'error' : 'failed');
    if (isAlive(arrivalIn(operation))) return;
    await recordAttempts(trx, operation, failure);
  },
  async cancelled(trx, operation) {
    await settle(trx, operation, 'cancelled');
  },
});

const FAILED_BEFORE: ReadonlySet<string> = new Set(['choose_destination', 'bind_ports_on_both', 'prepare_destination']);

const arrivalIn = ({ data }: Operation) => data.arrival as Arrival | undefined;

async function settle(trx: Transaction<ComputeDb>, operation: Operation, status: MigrationStatus): Promise<void> {
  const arrival = arrivalIn(operation);
  const lost = operation.noReturn && !isAlive(arrival) && arrival?.place !== 'source';
  const { numUpdatedRows } = await trx.updateTable('instances')
    .set({ task_state: null, updated_at: dbNow, state_changed_at: dbNow, ...(lost && { vm_state: 'error' }), ...(arrival?.powerState !== undefined && { power_state: arrival.powerState }) })
    .where('id', '=', operation.instanceId).where('generation', '=', operation.generation).executeTakeFirst();
  await updateMigration(trx, argsOf({ operation }).migrationId, {
    status, ...(status === 'completed' && { memory_remaining: 0, disk_remaining: 0, eta_ms: 0 }), ...(arrival?.kept && numUpdatedRows === 1n && { kept_generation: operation.generation }),
  });
}
