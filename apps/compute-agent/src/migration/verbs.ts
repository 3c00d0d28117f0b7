import type { GuestPlaces, HostVerbArgs, MigrationStanding } from '@virga/contracts';
import { conflict, notImplemented, systemClock } from '@virga/core';
import type { VerbTable } from '../commands/command-runner';
import { LiveMigration } from './migrate-live';
import type { MigrationHost } from './migration-host';

/** How long a guest may take to show up as running after its source has seen it leave, and how long one that is under way is waited for, ms. */
const ARRIVAL_MS = 10_000;
const UNDER_WAY_MS = 90_000;

export async function prepareMigration(host: MigrationHost, spec: HostVerbArgs<'prepareMigration'>, signal: AbortSignal): Promise<{ places: GuestPlaces }> {
  const { instanceId } = spec;
  if ((await host.driver.powerState(instanceId)) !== 0) throw conflict(`Instance ${instanceId} has a machine on this host already.`);
  await host.receive(spec, signal);
  return { places: await host.placesFor(instanceId, spec.comesFrom) };
}

/** Where the guest stands here, once that is clear. One that is whole is started again with this host from now on. */
export async function finishMigration(host: MigrationHost, instanceId: string, signal: AbortSignal): Promise<{ standing: MigrationStanding; powerState: number }> {
  const began = systemClock.now();
  for (;;) {
    const powerState = await host.driver.powerState(instanceId);
    const standing = await host.migrations.standing(instanceId);
    if (standing === 'here' && (powerState === 1 || powerState === 3)) {
      await host.store.adopt(instanceId);
      await host.store.setDesired(instanceId, powerState === 1 ? 'running' : 'paused');
      return { standing, powerState };
    }
    const patience = host.arrivalMs ?? (standing === 'moving' || standing === 'doubtful' ? UNDER_WAY_MS : ARRIVAL_MS);
    if (systemClock.now() - began > patience) return { standing, powerState };
    await systemClock.sleep(100, signal);
  }
}

const cannot = () => Promise.reject(notImplemented('This host does not move running guests.'));
type MigrationVerbs = Pick<VerbTable, 'prepareMigration' | 'migrateLive' | 'finishMigration'>;

/** Verbs of hosts that move running guests. */
export const migrationVerbs = (host: MigrationHost): MigrationVerbs => ({
  prepareMigration: (_id, spec, signal) => prepareMigration(host, spec, signal),
  migrateLive: async (id, args: HostVerbArgs<'migrateLive'>, signal) => {
    const outcome = await new LiveMigration(host, id, args, signal).run();
    if (outcome.outcome === 'moved') await host.carryLog?.(id, args.destination.places);
    return outcome;
  },
  finishMigration: (id, _args, signal) => finishMigration(host, id, signal),
});
/** Of those that do not, e.g. simulated ones. */
export const noMigrationVerbs: MigrationVerbs = { prepareMigration: cannot, migrateLive: cannot, finishMigration: cannot };
