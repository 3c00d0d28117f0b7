import { chownSync, chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describeSite, type Launch } from '../load-site';
import type { Options } from '../options';
import { MIGRATING } from '../parts/apps';
import { partsOf } from '../parts/catalog';
import { createBridges, describeChassis, prepareHost } from '../parts/host';
import { createSchemas, grantViews, prepareMariadb } from '../parts/mariadb';
import { initializeOvn, prepareOvnCentral } from '../parts/ovn-central';
import type { Part } from '../parts/part';
import { importDefinitions, prepareRabbitmq } from '../parts/rabbitmq';
import { ensureRunning, partState } from '../process/supervision';
import { Progress } from '../progress';
import { SecretStore } from '../secrets';
import type { Site } from '../site';
import { createHostNamespace, hostId } from '../stages/host-namespace';
import { migrate } from '../stages/migrate';
import { plumb } from '../stages/plumbing';
import { installRelease } from '../stages/release';
import { ensureGuestUser, ensureServiceUser, SERVICE_USER, userIds } from '../system-users';
import { runGraph, type Task } from '../task-graph';

/** Makes the cloud be there: every step looks at what is, and does what is missing. */
export async function up(launch: Launch, options: Options): Promise<number> {
  const progress = new Progress(launch.startedAt);
  const site = describeSite(launch, options, (known) => partState(known, 'rabbitmq').supervisor !== undefined);
  const serviceUser = await ensureServiceUser();
  await ensureGuestUser();
  makeDirectories(site);
  const secrets = new SecretStore(join(site.etc, 'secrets.json'));
  progress.say(`settings: ${site.settings.hosts} host(s), state in ${site.state}, ${serviceUser}`);
  const parts = partsOf(site, secrets);
  const wanted = options.only === 'infrastructure' ? parts.filter((part) => part.group !== 'service' && !part.name.endsWith('-agent')) : parts;
  const tasks = [...infrastructureTasks(site, secrets), ...(options.only ? [] : serviceTasks(site, secrets))];
  try {
    await runGraph([...tasks, ...wanted.map((part) => partTask(site, part, tasks))], progress);
  } finally {
    progress.stop();
  }
  return 0;
}

function makeDirectories(site: Site): void {
  for (const [path, mode] of [[site.etc, 0o711], [site.log, 0o700], [site.parts, 0o700], [site.release, 0o755], [join(site.state, 'hosts'), 0o711], [join(site.state, 'data'), 0o711]] as const) {
    mkdirSync(path, { recursive: true });
    chmodSync(path, mode);
  }
  const { uid, gid } = userIds(SERVICE_USER);
  for (const path of [site.run, join(site.state, 'data/identity'), join(site.state, 'data/images')]) {
    mkdirSync(path, { recursive: true });
    chmodSync(path, path === site.run ? 0o755 : 0o700);
    chownSync(path, uid, gid);
  }
}

/** Work that must be done before a part is started, beyond the parts that it names itself; a task may bear any name. */
const BEFORE_PART: Record<string, string[]> = {
  mariadb: ['mariadb-files'],
  epmd: [],
  rabbitmq: ['rabbitmq-files', 'plumbing'],
  'ovn-nb': ['ovn-files'],
  'ovn-sb': ['ovn-files', 'plumbing'],
  'ovn-northd': ['ovn-rows'],
};

function partTask(site: Site, part: Part, tasks: Task[]): Task {
  const names = new Set(tasks.map((task) => task.name));
  const host = part.host;
  const before = [
    'release',
    ...(BEFORE_PART[part.name] ?? []),
    ...(host ? [`${host}-files`] : []),
    ...(part.name === `${host}-vswitchd` ? [`${host}-chassis`] : []),
    ...(part.name === `${host}-ovn-controller` ? [`${host}-bridges`, 'ovn-rows'] : []),
    ...(part.group === 'service' ? MIGRATING.map(({ name }) => `migrate-${name}`) : []),
  ].filter((name) => name === 'release' || names.has(name));
  return { name: part.name, after: [...part.after, ...before], work: () => ensureRunning(site, part) };
}

function infrastructureTasks(site: Site, secrets: SecretStore): Task[] {
  const hostIds = (): string[] => site.hosts.map(hostId);
  return [
    { name: 'release', after: [], work: async () => installRelease(site) },
    { name: 'plumbing', after: [], work: () => plumb(site) },
    { name: 'mariadb-files', after: [], work: () => prepareMariadb(site) },
    { name: 'schemas', after: ['mariadb'], work: () => createSchemas(site, secrets) },
    {
      name: 'rabbitmq-files', after: ['plumbing'], work: async () => {
        const changed = prepareRabbitmq(site, hostIds(), secrets);
        if (!changed || !partState(site, 'rabbitmq').process) return;
        await importDefinitions(site);
        return 'users of the running broker changed';
      },
    },
    { name: 'ovn-files', after: [], work: () => prepareOvnCentral(site) },
    { name: 'ovn-rows', after: ['ovn-nb', 'ovn-sb'], work: () => initializeOvn(site) },
    ...site.hosts.flatMap((host): Task[] => [
      { name: `${host.name}-namespace`, after: ['plumbing'], work: () => createHostNamespace(site, host) },
      { name: `${host.name}-files`, after: [`${host.name}-namespace`], work: () => prepareHost(site, host) },
      { name: `${host.name}-chassis`, after: [`${host.name}-ovsdb`], work: () => describeChassis(site, host) },
      { name: `${host.name}-bridges`, after: [`${host.name}-vswitchd`], work: () => createBridges(host) },
    ]),
  ];
}

function serviceTasks(site: Site, secrets: SecretStore): Task[] {
  return [
    // One after the other: each loads a whole service for a moment of work.
    ...MIGRATING.map(({ name, app }, at): Task => ({
      name: `migrate-${name}`, after: [at === 0 ? 'schemas' : `migrate-${MIGRATING[at - 1]!.name}`, 'release'], work: () => migrate(site, secrets, name, app),
    })),
    { name: 'grants', after: ['migrate-network'], work: () => grantViews(site) },
  ];
}
