import type { BuildSpec, GuestPlaces, HostVerbArgs } from '@virga/contracts';
import { conflict, notImplemented } from '@virga/core';
import type { VerbTable } from '../commands/command-runner';
import { LiveMigration } from './migrate-live';
import type { MigrationHost } from './migration-host';

/** How long a guest may take to show up as running after its source has seen it leave, ms. */
const ARRIVAL_MS = 20_000;

export async function prepareMigration(host: MigrationHost, spec: BuildSpec, signal: AbortSignal): Promise<{ places: GuestPlaces }> {
  const { instanceId } = spec;
  if ((await host.driver.powerState(instanceId)) !== 0) throw conflict(`Instance ${instanceId} has a machine on this host already.`);
  await host.receive(spec, signal);
  return { places: host.places(instanceId) };
}

/** The guest is here now: it is started again with this host. Fails when it is not, so that nobody believes it. */
export async function finishMigration(host: MigrationHost, instanceId: string): Promise<{ powerState: number }> {
  const end = Date.now() + ARRIVAL_MS;
  for (;;) {
    const powerState = await host.driver.powerState(instanceId);
    const standing = await host.migrations.standing(instanceId);
    if (standing === 'here' && (powerState === 1 || powerState === 3)) {
      await host.store.setDesired(instanceId, powerState === 1 ? 'running' : 'paused');
      return { powerState };
    }
    if (Date.now() > end) throw conflict(`The guest did not arrive on this host: its machine here is ${standing}.`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const cannot = () => Promise.reject(notImplemented('This host does not move running guests.'));
type MigrationVerbs = Pick<VerbTable, 'prepareMigration' | 'migrateLive' | 'finishMigration'>;

/** Verbs of hosts that move running guests. */
export const migrationVerbs = (host: MigrationHost): MigrationVerbs => ({
  prepareMigration: (_id, spec, signal) => prepareMigration(host, spec, signal),
  migrateLive: (id, args: HostVerbArgs<'migrateLive'>, signal) => new LiveMigration(host, id, args, signal).run(),
  finishMigration: (id) => finishMigration(host, id),
});
/** Of those that do not, e.g. simulated ones. */
export const noMigrationVerbs: MigrationVerbs = { prepareMigration: cannot, migrateLive: cannot, finishMigration: cannot };
