import { homedir } from 'node:os';
import { join } from 'node:path';
import { writeCredentials } from '../credentials';
import { describeSite, knownSettings, type Launch } from '../load-site';
import type { Options } from '../options';
import { MIGRATING } from '../parts/apps';
import { partsOf } from '../parts/catalog';
import { createSchemas, grantViews, prepareMariadb } from '../parts/mariadb';
import { initializeOvn, prepareOvnCentral } from '../parts/ovn-central';
import { importDefinitions, prepareRabbitmq } from '../parts/rabbitmq';
import { issueCertificates } from '../pki/identities';
import { partState } from '../process/supervision';
import { Progress } from '../progress';
import { SecretStore } from '../secrets';
import { seedExternalNetwork } from '../seed/external-network';
import { seedFlavors } from '../seed/flavors';
import { waitForHypervisors } from '../seed/hypervisors';
import { adminClient, type RestClient } from '../seed/rest-client';
import { seedImage } from '../seed/tiny-image';
import type { Site } from '../site';
import { bootstrapIdentity } from '../stages/bootstrap';
import { buildGuest, decideVirtType, guestDisk } from '../stages/guest-image';
import { hostId } from '../stages/host-namespace';
import { migrate } from '../stages/migrate';
import { plumb } from '../stages/plumbing';
import { installRelease } from '../stages/release';
import { makeDirectories } from './directories';
import { hostTasks, partTask } from './start-tasks';
import { startMember } from './start-member';
import { inspectCloud, renderStatus } from './status';
import { ensureGuestUser, ensureServiceUser } from '../system-users';
import { neededFor, oneAtATime, runGraph, type Task } from '../task-graph';

/** Makes the cloud be there: every step looks at what is, and does what is missing. */
export async function up(launch: Launch, options: Options): Promise<number> {
  if (knownSettings(launch.state)?.membership) return startMember(launch, options);
  const progress = new Progress(launch.startedAt);
  const site = describeSite(launch, options, (known) => partState(known, 'rabbitmq').supervisor !== undefined);
  const serviceUser = await ensureServiceUser();
  await ensureGuestUser();
  makeDirectories(site);
  const secrets = new SecretStore(join(site.etc, 'secrets.json'));
  progress.say(`settings: ${site.hosts.length} host(s), state in ${site.state}, ${serviceUser}`);
  const parts = partsOf(site, secrets);
  const tasks = [...infrastructureTasks(site, secrets), ...serviceTasks(site, secrets), ...parts.map((part) => partTask(site, part))];
  try {
    await runGraph(options.only ? neededFor(options.only, tasks) : tasks, progress);
  } finally {
    progress.stop();
  }
  if (options.only) return 0;
  const cloud = await inspectCloud(site);
  if (!cloud.healthy) {
    process.stdout.write(`\n${renderStatus(cloud)}\n`);
    return 1;
  }
  const choose = writeCredentials(site, secrets, homedir());
  progress.say(`the cloud is up: ${cloud.parts.length} parts healthy, ${Math.round(cloud.controlPlanePssKib / 1024)} MiB of memory`);
  process.stdout.write(nextSteps(site, choose));
  return 0;
}

function nextSteps(site: Site, choose: string): string {
  return [
    '', 'What to type next:', '',
    `  ${choose}          # or virga-demo; ./virga openrc prints the same as variables`,
    '  openstack catalog list; openstack hypervisor list; openstack image list',
    '  openstack network create net1',
    '  openstack subnet create --network net1 --subnet-range 10.10.0.0/24 sub1',
    '  openstack server create --image tiny --flavor m1.tiny --network net1 --wait s1',
    '  openstack console log show s1',
    '', `External network: public (${site.external.cidr}), reachable from this machine.`,
    'Also: ./virga status | logs [part] | down', '', '',
  ].join('\n');
}

function infrastructureTasks(site: Site, secrets: SecretStore): Task[] {
  const hostIds = (): string[] => site.hosts.map(hostId);
  return [
    { name: 'release', after: [], work: async () => installRelease(site) },
    { name: 'certificates', after: [], work: () => issueCertificates(site) },
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
    ...site.hosts.flatMap((host) => hostTasks(site, host)),
  ];
}

function serviceTasks(site: Site, secrets: SecretStore): Task[] {
  const agents = site.hosts.map((host) => `${host.name}-agent`);
  // One login for all: made when the first of them needs it.
  let client: Promise<RestClient> | undefined;
  const admin = (): Promise<RestClient> => (client ??= adminClient(site, secrets));
  // Each loads a whole service for a moment of work: all at once would only be slower.
  const inTurn = oneAtATime();
  return [
    ...MIGRATING.map(({ name, app }): Task => ({
      name: `migrate-${name}`, after: ['schemas', 'release'], work: () => inTurn(() => migrate(site, secrets, name, app)),
    })),
    { name: 'grants', after: ['migrate-network'], work: () => grantViews(site) },
    { name: 'bootstrap', after: ['migrate-identity'], work: () => bootstrapIdentity(site, secrets) },
    { name: 'guest-image', after: [], work: () => buildGuest(site) },
    { name: 'virt-type', after: ['guest-image'], work: () => decideVirtType(site) },
    { name: 'flavors', after: ['compute-api'], work: async () => seedFlavors(await admin()) },
    { name: 'image-tiny', after: ['image', 'guest-image'], work: async () => seedImage(await admin(), 'tiny', guestDisk(site)) },
    { name: 'external-network', after: ['network'], work: async () => seedExternalNetwork(await admin(), site) },
    { name: 'hypervisors', after: [...agents, 'compute-api', 'scheduler', 'conductor'], work: async () => waitForHypervisors(await admin(), site) },
  ];
}
