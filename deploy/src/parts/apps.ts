import { statfsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { quote } from '../env-file';
import { IDENTITY_FILES } from '@virga/mutual-tls';
import { agentUser, fleetUser } from '@virga/rpc';
import { appHealth } from '../health/http-health';
import { EXTERNAL_PHYSICAL_NETWORK } from '../seed/external-network';
import { consoleProxyIdentity, hostIdentity, tlsEnv } from '../pki/identities';
import type { SecretStore } from '../secrets';
import type { HostPlan, Site } from '../site';
import type { Listener } from '../process/listeners';
import { hostId, inHost } from '../stages/host-namespace';
import { asUser, SERVICE_USER } from '../system-users';
import { databaseUrl, type Schema } from './mariadb';
import { northboundSocket, southboundSocket } from './ovn-central';
import { migrationUri } from './host';
import { virtTypeFile } from '../stages/guest-image';
import type { Part } from './part';
import { brokerTlsUrl, brokerUrl, fleetsOf } from './rabbitmq';

export const REGION = 'RegionOne';
/** The services' own default of VIRGA_DRAIN_SECONDS. */
const DRAIN_SECONDS = 60;

interface App {
  /** Name of the part, of its log and of its broker user. */
  name: string;
  /** Folder below apps/ and entry in it. */
  app: string;
  entry: string;
  schema?: Schema;
  /** Old space of V8 in MB; the heap of a service at rest is 30 to 50. */
  heapMb: number;
  after: string[];
  /** Where it is reached. */
  listen?: (site: Site) => Listener[];
  /** How long requests under way may take after SIGTERM, seconds. */
  drainSeconds?: number;
  env?: (site: Site, secrets: SecretStore) => Record<string, string>;
  /** Besides the bundle, what makes it start anew. */
  files?: (site: Site) => string[];
}

const at = (port: number, host = '127.0.0.1', env = 'VIRGA_LISTEN'): Listener => ({ env, host, port });

/** The services of the control plane. Those that check tokens need identity's keys, so it comes first. */
const APPS: App[] = [
  {
    name: 'identity', app: 'identity', entry: 'main', schema: 'identity', heapMb: 256, after: ['mariadb', 'rabbitmq'],
    listen: (site) => [at(site.ports.identity)],
    env: (site) => ({ VIRGA_IDENTITY_KEY_FILE: join(site.state, 'data/identity/key') }),
  },
  { name: 'scheduler', app: 'scheduler', entry: 'main', schema: 'placement', heapMb: 256, after: ['mariadb', 'rabbitmq'] },
  {
    name: 'network', app: 'network', entry: 'main', schema: 'network', heapMb: 256, after: ['mariadb', 'rabbitmq', 'ovn-northd', 'identity'],
    listen: (site) => [at(site.ports.network)],
    env: (site) => ({
      VIRGA_NETWORK_OVN_NB: `unix:${northboundSocket(site)}`,
      VIRGA_NETWORK_OVN_SB: `unix:${southboundSocket(site)}`, VIRGA_NETWORK_PHYSNETS: EXTERNAL_PHYSICAL_NETWORK,
    }),
  },
  {
    name: 'image', app: 'image', entry: 'main', schema: 'image', heapMb: 256, after: ['mariadb', 'rabbitmq', 'identity'],
    listen: (site) => [at(site.ports.image), at(site.ports['image-data'], site.management.address, 'VIRGA_IMAGE_DATA_LISTEN')],
    // Somebody may be sending an image of many gigabytes.
    drainSeconds: 900,
    env: (site) => ({
      VIRGA_IMAGE_DATA_URL: `http://${site.management.address}:${site.ports['image-data']}`,
      VIRGA_IMAGE_STORE_DIR: join(site.state, 'data/images'),
    }),
  },
  {
    name: 'conductor', app: 'compute-api', entry: 'main.conductor', schema: 'compute', heapMb: 256, after: ['mariadb', 'rabbitmq', 'identity'],
    env: (site): Record<string, string> => (fleetsOf(site).length === 0 ? {} : { VIRGA_COMPUTE_SIMULATED_FLEETS: fleetsOf(site).join(',') }),
  },
  {
    name: 'compute-api', app: 'compute-api', entry: 'main', schema: 'compute', heapMb: 256, after: ['mariadb', 'rabbitmq', 'identity'],
    listen: (site) => [at(site.ports.compute)],
    env: (site) => ({
      VIRGA_COMPUTE_CONSOLE_URL: `http://127.0.0.1:${site.ports.console}`,
      VIRGA_COMPUTE_NETWORK_URL: site.publicUrls.network, VIRGA_COMPUTE_IMAGE_URL: site.publicUrls.image,
    }),
  },
  {
    name: 'console-proxy', app: 'console-proxy', entry: 'main', heapMb: 128, after: ['rabbitmq', 'identity'],
    listen: (site) => [at(site.ports.console)],
    // A dashboard on this machine may show consoles in its pages.
    env: (site) => ({ VIRGA_CONSOLE_FRAME_ANCESTORS: 'http://127.0.0.1:* http://localhost:*', ...tlsEnv(consoleProxyIdentity(site)) }),
    files: (site) => [join(consoleProxyIdentity(site), IDENTITY_FILES.cert)],
  },
];

/** Apps whose entry has the verb `migrate`, in the order in which their schemas may refer to each other. */
export const MIGRATING = APPS.filter((app) => app.schema && app.entry === 'main').map(({ name, app }) => ({ name, app }));

export const entryFile = (site: Site, app: string, entry: string): string => join(site.release, 'apps', app, `${entry}.js`);
export const adminSocket = (site: Site, name: string): string => join(site.run, `${name}.sock`);

/** A small heap that grows only when it must: the young generation's default of 16 MB is mostly air. */
export const nodeCommand = (heapMb: number): string => `${quote(process.execPath)} --max-old-space-size=${heapMb} --max-semi-space-size=2`;

/** What every app is told, whichever it is. */
const commonEnv = (site: Site, name: string): Record<string, string> => ({
  NODE_ENV: 'production',
  // glibc gives each thread an arena of its own otherwise; these processes gain nothing from that.
  MALLOC_ARENA_MAX: '2',
  VIRGA_ADMIN_LISTEN: `unix:${adminSocket(site, name)}`,
  VIRGA_REGION: REGION,
  VIRGA_PUBLIC_IDENTITY_URL: site.publicUrls.identity,
});

export const appEnv = (site: Site, secrets: SecretStore, name: string): Record<string, string> => {
  const app = APPS.find((entry) => entry.name === name)!;
  return {
    ...commonEnv(site, name),
    VIRGA_AMQP_URL: brokerUrl(site, secrets, name),
    ...(app.schema && { VIRGA_DB_URL: databaseUrl(site, secrets, app.schema) }),
    ...Object.fromEntries((app.listen?.(site) ?? []).map(({ env, host, port }) => [env, `${host}:${port}`])),
    ...(app.drainSeconds && { VIRGA_DRAIN_SECONDS: String(app.drainSeconds) }),
    ...app.env?.(site, secrets),
  };
};

export function appParts(site: Site, secrets: SecretStore): Part[] {
  return APPS.map(({ name, app, entry, heapMb, after, files, listen, drainSeconds }) => ({
    name,
    group: 'service',
    after,
    script: `exec ${asUser(SERVICE_USER)} ${nodeCommand(heapMb)} ${quote(entryFile(site, app, entry))}`,
    env: appEnv(site, secrets, name),
    files: [entryFile(site, app, entry), ...(files?.(site) ?? [])],
    ...(listen && { listen: listen(site) }),
    relievable: true,
    health: (pid) => appHealth(adminSocket(site, name), pid),
    startTimeoutMs: 60_000,
    stopTimeoutMs: 30_000,
    leaveTimeoutMs: ((drainSeconds ?? DRAIN_SECONDS) + 35) * 1000,
  }));
}

/** Several hosts on one machine divide it; a single one offers all. */
function share(site: Site): Record<string, string> {
  const hosts = site.hosts.length;
  if (hosts === 1) return {};
  const { blocks, bsize } = statfsSync(site.state);
  return {
    VIRGA_AGENT_MEMORY_MB: String(Math.floor(totalmem() / 2 ** 20 / hosts)),
    VIRGA_AGENT_DISK_GB: String(Math.floor((blocks * bsize) / 2 ** 30 / hosts)),
  };
}

/** The agent of a host: root, because it makes disks, taps and domains; no database, and a broker user for its queues. */
export function agentPart(site: Site, secrets: SecretStore, host: HostPlan): Part {
  const name = `${host.name}-agent`;
  const id = hostId(host);
  return {
    name,
    group: 'host',
    host: host.name,
    after: [`${host.name}-libvirtd`, `${host.name}-ovn-controller`, 'rabbitmq', 'conductor'],
    // The probe's answer is not known yet when this is written.
    script: `export VIRGA_AGENT_VIRT_TYPE=$(<${quote(virtTypeFile(site))})\nexec ${inHost(host)} ${nodeCommand(192)} ${quote(entryFile(site, 'compute-agent', 'main'))}`,
    env: {
      ...commonEnv(site, name),
      VIRGA_AMQP_URL: brokerTlsUrl(site, secrets, agentUser(id)),
      VIRGA_AGENT_HOST_ID: id,
      VIRGA_AGENT_HOSTNAME: host.name,
      VIRGA_AGENT_HOST_IP: host.managementAddress,
      VIRGA_AGENT_PORT: String(site.ports['agent-tls']),
      ...tlsEnv(hostIdentity(host)),
      VIRGA_AGENT_MIGRATION_URI: migrationUri(site, host),
      VIRGA_AGENT_STATE_DIR: join(host.directory, 'agent'),
      // Packets pass a userspace switch here, which sees what a guest leaves to hardware that is not there.
      VIRGA_AGENT_CHECKSUM_OFFLOAD: 'false',
      ...(site.settings.sharedStorage && { VIRGA_AGENT_SHARED_INSTANCES: join(site.state, 'shared-instances') }),
      VIRGA_AGENT_SPICE: String(site.settings.spice ?? false),
      ...share(site),
    },
    files: [entryFile(site, 'compute-agent', 'main'), virtTypeFile(site)],
    health: () => appHealth(adminSocket(site, name)),
    // It starts the guests again that ran before the host went down, one after the other.
    startTimeoutMs: 300_000,
    stopTimeoutMs: 30_000,
  };
}

/** The simulated hosts of a cloud, all in one process; none when there is no fleet. */
export function fleetParts(site: Site, secrets: SecretStore): Part[] {
  return fleetsOf(site).map((fleet) => ({
    name: 'fleet',
    group: 'host',
    after: ['rabbitmq', 'conductor', 'scheduler'],
    script: `exec ${asUser(SERVICE_USER)} ${nodeCommand(512)} ${quote(entryFile(site, 'compute-agent', 'main.fleet'))}`,
    env: {
      ...commonEnv(site, 'fleet'),
      VIRGA_AMQP_URL: brokerUrl(site, secrets, fleetUser(fleet)),
      VIRGA_FLEET_NAME: fleet,
      VIRGA_FLEET_HOSTS: String(site.settings.simulatedHosts),
      VIRGA_FLEET_STATE_DIR: join(site.state, 'data/fleet'),
    },
    files: [entryFile(site, 'compute-agent', 'main.fleet')],
    health: () => appHealth(adminSocket(site, 'fleet')),
    startTimeoutMs: 60_000,
    stopTimeoutMs: 30_000,
  }));
}
