import type { HostFacts, ImageFacts } from '@virga/contracts';
import { errorMessage, type ActorRef } from '@virga/core';
import { sql, type Kysely } from '@virga/db';
import { aggregateHosts } from '../aggregates/aggregate-hosts';
import type { ComputeDb } from '../db/schema';
import type { InstanceRow, Neighbours } from '../operations/workflow';
import type { ServerFlavor } from '../servers/server-row';
import { instanceSpec } from '../workflows/instance-spec';
import { resourcesOf } from '../workflows/resources';

export interface Destination { hostId: string; hostname: string; facts: HostFacts; alive: boolean; disabled: boolean }

/** A host by its name in the API. */
export async function findDestination(db: Kysely<ComputeDb>, hostname: string): Promise<Destination | undefined> {
  const row = await db.selectFrom('hosts as h').leftJoin('services as s', (join) => join.onRef('s.host_id', '=', 'h.id').on('s.binary', '=', 'nova-compute'))
    .select(['h.id', 'h.hostname', 'h.facts_json', 's.disabled', 's.forced_down', sql<number>`h.lease_until > NOW(3)`.as('alive')]).where('h.hostname', '=', hostname).executeTakeFirst();
  return row && {
    hostId: row.id, hostname: row.hostname, facts: JSON.parse(row.facts_json) as HostFacts, alive: Boolean(row.alive) && !row.forced_down, disabled: Boolean(row.disabled),
  };
}

interface Question {
  db: Kysely<ComputeDb>;
  neighbours: Neighbours;
  actor: ActorRef;
  row: InstanceRow;
  destination: Destination;
  /** An operator insists: a disabled host will do. */
  forced: boolean;
  /** Whether disks are to be copied; undefined where that is for the hosts to find out. */
  blockMigration?: boolean | undefined;
  /** The room has been claimed already. */
  claimed: boolean;
}

/** Every reason for which the instance cannot move to that host now, so that nobody has to find them one by one. */
export async function refuseDestination(question: Question): Promise<string[]> {
  const { row, destination, forced, claimed } = question;
  const reasons: string[] = [];
  if (destination.hostId === row.host_id) reasons.push('the instance is on this host already');
  if (destination.disabled && !forced) reasons.push('its compute service is disabled');
  if (destination.facts.migrationUri === undefined) reasons.push('no guest can migrate to it');
  if (!forced && !(await isOpenTo(question))) reasons.push('it is outside of the aggregates that the flavor and the project ask for');
  if (!claimed) reasons.push(...await withoutRoom(question));
  if (!destination.alive) reasons.push('it has not reported in time');
  else if (destination.hostId !== row.host_id) reasons.push(...await askHost(question));
  return reasons;
}

async function isOpenTo({ db, row, destination }: Question): Promise<boolean> {
  const { extra_specs: extraSpecs } = JSON.parse(row.flavor_json) as ServerFlavor;
  return (await aggregateHosts(db, { projectId: row.project_id, extraSpecs })).aggregateHostIds?.includes(destination.hostId) ?? true;
}

const UNITS = { vcpus: 'vCPUs', memoryMb: 'MB of memory', diskGb: 'GB of disk' } as const;

async function withoutRoom({ neighbours, row, destination }: Question): Promise<string[]> {
  const host = (await neighbours.placement.hosts({})).hosts.find(({ hostId }) => hostId === destination.hostId);
  if (!host) return ['the scheduler does not know it'];
  const wanted = resourcesOf(JSON.parse(row.flavor_json) as ServerFlavor, JSON.parse(row.image_json) as ImageFacts);
  const free = (what: keyof typeof UNITS) => (host.capacity ?? host.inventory)[what] - host.used[what];
  return (Object.keys(UNITS) as (keyof typeof UNITS)[]).filter((what) => wanted[what] > free(what) || wanted[what] > host.inventory[what])
    .map((what) => `it has ${Math.max(0, free(what))} ${UNITS[what]} free, and ${wanted[what]} are needed`);
}

/** As nova says it, by whether the disks are shared. */
const MISASKED = {
  true: (host: string) => `${host} is not on local storage: Block migration can not be used with shared storage`,
  false: (host: string) => `${host} is not on shared storage: Shared storage live-migration requires either shared storage or boot-from-volume with no local disks`,
};

async function storageMarkOf(db: Kysely<ComputeDb>, hostId: string | null): Promise<string | undefined> {
  const host = await db.selectFrom('hosts').select('facts_json').where('id', '=', hostId ?? '').executeTakeFirst();
  return host && (JSON.parse(host.facts_json) as HostFacts).storageMark;
}

/** What only the host itself can know, and whether the images that it would have to fetch can still be had. */
async function askHost({ db, neighbours, actor, row, destination, blockMigration }: Question): Promise<string[]> {
  const { ports } = await neighbours.network.instancePorts({ instanceId: row.id });
  const spec = instanceSpec(row, ports);
  try {
    const storageMark = await storageMarkOf(db, row.host_id);
    const comesFrom = row.host_id === null ? undefined : { hostId: row.host_id, ...(storageMark !== undefined && { storageMark }) };
    const { reasons, absentImages, sharesDisks = false } = await neighbours.host(destination.hostId).checkMigration({ spec, ...(comesFrom && { comesFrom }) });
    const misasked = blockMigration === undefined || blockMigration !== sharesDisks ? [] : [MISASKED[`${sharesDisks}`](row.host ?? '')];
    const gone = await Promise.all(absentImages.map(async (imageId) => {
      try {
        await neighbours.image.get({ actor: { ...actor, projectId: row.project_id }, imageId });
        return [];
      } catch (error) {
        return [`it does not have the image ${imageId}, which can no longer be fetched: ${errorMessage(error).replace(/\.$/, '')}`];
      }
    }));
    return [...misasked, ...reasons, ...gone.flat()];
  } catch (error) {
    return [`it did not answer: ${errorMessage(error).replace(/\.$/, '')}`];
  }
}

/** The sentence of a refusal. */
export const refusalOf = (hostname: string, reasons: readonly string[]): string => `Migration pre-check error: the instance cannot move to host ${hostname}: ${reasons.join('; ')}.`;
