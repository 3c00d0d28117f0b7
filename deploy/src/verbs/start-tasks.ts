import { createBridges, describeChassis, prepareHost } from '../parts/host';
import type { Part } from '../parts/part';
import { ensureRunning } from '../process/supervision';
import type { HostPlan, Site } from '../site';
import { createHostNamespace } from '../stages/host-namespace';
import { limitMigrationLink, migrationRateOf } from '../stages/migration-link';
import type { Task } from '../task-graph';

/** Work that must be done before a part is started, beyond the parts that it names itself; a task may bear any name. */
const BEFORE_PART: Record<string, string[]> = {
  mariadb: ['mariadb-files'],
  epmd: [],
  rabbitmq: ['rabbitmq-files', 'plumbing', 'certificates'],
  'ovn-nb': ['ovn-files'],
  'ovn-sb': ['ovn-files', 'plumbing', 'certificates'],
  'ovn-northd': ['ovn-rows'],
};

/** A service starts on its own schema as it should be. */
const SERVICE_BEFORE: Record<string, string[]> = {
  identity: ['bootstrap'],
  scheduler: ['migrate-scheduler'],
  network: ['migrate-network'],
  image: ['migrate-image'],
  conductor: ['migrate-compute-api', 'grants'],
  'compute-api': ['migrate-compute-api', 'grants'],
  'console-proxy': ['certificates'],
  enrolment: ['certificates'],
};

/** The start of a part, behind what it names itself and what else must be there. */
export function partTask(site: Site, part: Part): Task {
  const host = part.host;
  const before = [
    'release',
    ...(BEFORE_PART[part.name] ?? []),
    ...(host ? [`${host}-files`] : []),
    ...(part.name === `${host}-vswitchd` ? [`${host}-chassis`] : []),
    ...(part.name === `${host}-ovn-controller` ? [`${host}-bridges`, 'ovn-rows'] : []),
    ...(SERVICE_BEFORE[part.name] ?? []),
    ...(part.name === `${host}-agent` ? ['virt-type'] : []),
  ];
  return { name: part.name, after: [...part.after, ...before], work: () => ensureRunning(site, part) };
}

/** What makes the place in which the parts of a host run. */
export const hostTasks = (site: Site, host: HostPlan): Task[] => [
  {
    name: `${host.name}-namespace`, after: ['plumbing'], work: async () => {
      const made = await createHostNamespace(site, host);
      // The links of a whole machine are as fast as they are.
      if (!host.machine) await limitMigrationLink(host, migrationRateOf(site, host));
      return made;
    },
  },
  { name: `${host.name}-files`, after: [`${host.name}-namespace`, 'certificates'], work: () => prepareHost(site, host) },
  { name: `${host.name}-chassis`, after: [`${host.name}-ovsdb`], work: () => describeChassis(site, host) },
  { name: `${host.name}-bridges`, after: [`${host.name}-vswitchd`], work: () => createBridges(host) },
];
