import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { IDENTITY_FILES } from '@virga/mutual-tls';
import { agentUser, fleetPermissions, fleetUser, hostPermissions, servicePermissions } from '@virga/rpc';
import { membersOf, type Member } from '../enrolment/members';
import { quote } from '../env-file';
import { amqpHealth, epmdHealth } from '../health/socket-health';
import { brokerIdentity } from '../pki/identities';
import { run } from '../run-command';
import { rabbitHash, type SecretStore } from '../secrets';
import type { Site } from '../site';
import { asUser, userIds } from '../system-users';
import type { Part } from './part';

/** Broker users of the control plane. */
export const BROKER_APPS = ['identity', 'compute-api', 'conductor', 'scheduler', 'network', 'image', 'console-proxy'] as const;

const directory = (site: Site): string => join(site.state, 'rabbitmq');
const configFile = (site: Site): string => join(directory(site), 'rabbitmq.conf');
const definitionsFile = (site: Site): string => join(directory(site), 'definitions.json');

/** The programs of the package themselves: the wrappers in /usr/sbin switch user and paths. */
function programs(): string {
  const lib = '/usr/lib/rabbitmq/lib';
  const version = existsSync(lib) ? readdirSync(lib).find((name) => name.startsWith('rabbitmq_server-')) : undefined;
  if (!version) throw new Error('rabbitmq-server is not installed');
  return join(lib, version, 'sbin');
}

/** What broker and rabbitmqctl agree on. */
function environment(site: Site): Record<string, string> {
  const dir = directory(site);
  return {
    HOME: dir,
    RABBITMQ_NODENAME: `${site.settings.name}@localhost`,
    RABBITMQ_MNESIA_BASE: join(dir, 'mnesia'),
    RABBITMQ_LOG_BASE: join(dir, 'log'),
    RABBITMQ_CONFIG_FILE: configFile(site),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, 'enabled_plugins'),
    RABBITMQ_CONF_ENV_FILE: join(dir, 'none'),
    RABBITMQ_DIST_PORT: String(site.ports['amqp-dist']),
    ERL_EPMD_PORT: String(site.ports.epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    LANG: 'C.UTF-8',
  };
}

export function epmdPart(site: Site): Part {
  return {
    name: 'epmd',
    group: 'store',
    after: [],
    script: `exec ${asUser('rabbitmq')} epmd -address 127.0.0.1 -port ${site.ports.epmd}`,
    health: () => epmdHealth(site.ports.epmd),
    startTimeoutMs: 10_000,
    stopTimeoutMs: 2_000,
  };
}

export function rabbitmqPart(site: Site): Part {
  return {
    name: 'rabbitmq',
    group: 'store',
    after: ['epmd'],
    // Told that a service manager looks after it, it leaves out its own shell between us and the Erlang machine, which
    // then takes SIGTERM as an order to stop in order.
    script: `ulimit -n $(ulimit -Hn) || true\nexec ${asUser('rabbitmq')} ${quote(join(programs(), 'rabbitmq-server'))}`,
    env: {
      ...environment(site),
      RUNNING_UNDER_SYSTEMD: '1',
      RABBITMQ_ALLOW_INPUT: '1',
      RABBITMQ_SERVER_ERL_ARGS: '+P 65536 +t 1048576 +stbt db +zdbbl 32000',
      // One scheduler does thousands of messages a second; no busy waiting on a machine that also runs the guests.
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-noinput +S 1:1 +SDio 4 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}',
    },
    files: [configFile(site), join(brokerIdentity(site), IDENTITY_FILES.cert)],
    health: () => amqpHealth('127.0.0.1', site.ports.amqp),
    startTimeoutMs: 120_000,
    stopTimeoutMs: 30_000,
  };
}

function config(site: Site): string {
  return [
    `listeners.tcp.1 = 127.0.0.1:${site.ports.amqp}`,
    'num_acceptors.tcp = 2',
    // Machines prove themselves by Virga's CA before they may say a password.
    `listeners.ssl.1 = ${site.management.address}:${site.ports['amqp-tls']}`,
    'num_acceptors.ssl = 2',
    ...Object.entries(IDENTITY_FILES).map(([part, file]) => `ssl_options.${part === 'ca' ? 'cacert' : part}file = ${join(brokerIdentity(site), file)}`),
    'ssl_options.verify = verify_peer', 'ssl_options.fail_if_no_peer_cert = true', 'ssl_options.versions.1 = tlsv1.3',
    `load_definitions = ${definitionsFile(site)}`,
    'vm_memory_high_watermark.absolute = 384MB',
    'disk_free_limit.absolute = 100MB',
    'heartbeat = 10',
    'log.connection.level = error', 'log.console = true', 'log.console.level = warning', 'log.file = false',
    '',
  ].join('\n');
}

/** Users with hashed passwords and their permissions. There is no `guest`: definitions at boot keep it from being made. */
export function brokerDefinitions(hostIds: string[], secrets: SecretStore, fleets: string[] = [], members: Pick<Member, 'hostId' | 'brokerPasswordHash'>[] = []): string {
  const users: { name: string; permissions: { configure: string; write: string; read: string }; hash?: string }[] = [
    ...BROKER_APPS.map((name) => ({ name: name as string, permissions: servicePermissions() })),
    ...hostIds.map((hostId) => ({ name: agentUser(hostId), permissions: hostPermissions(hostId) })),
    ...fleets.map((name) => ({ name: fleetUser(name), permissions: fleetPermissions(name) })),
    ...members.map(({ hostId, brokerPasswordHash: hash }) => ({ name: agentUser(hostId), permissions: hostPermissions(hostId), hash })),
  ];
  return `${JSON.stringify({
    vhosts: [{ name: '/' }],
    users: users.map(({ name, hash }) => ({ name, password_hash: hash ?? rabbitHash(name, secrets.get(`amqp.${name}`)), hashing_algorithm: 'rabbit_password_hashing_sha256', tags: '' })),
    permissions: users.map(({ name, permissions }) => ({ user: name, vhost: '/', ...permissions })),
  }, null, 2)}\n`;
}

/** Fleets of simulated hosts: none, or one that is named as the cloud. */
export const fleetsOf = (site: Site): string[] => (site.settings.simulatedHosts ? [site.settings.name] : []);

export const brokerUrl = (site: Site, secrets: SecretStore, user: string): string =>
  `amqp://${user}:${secrets.get(`amqp.${user}`)}@127.0.0.1:${site.ports.amqp}/`;

/** As hosts reach it: only by TLS. */
export const brokerTlsUrl = (site: Site, secrets: SecretStore, user: string): string =>
  `amqps://${user}:${secrets.get(`amqp.${user}`)}@${site.management.address}:${site.ports['amqp-tls']}/`;

/** Directories and files; true when the users differ from those written last time. */
export function prepareRabbitmq(site: Site, hostIds: string[], secrets: SecretStore): boolean {
  const dir = directory(site);
  const ids = userIds('rabbitmq');
  const own = (path: string, mode: number): void => { chownSync(path, ids.uid, ids.gid); chmodSync(path, mode); };
  for (const path of [dir, join(dir, 'mnesia'), join(dir, 'log')]) {
    mkdirSync(path, { recursive: true });
    own(path, 0o700);
  }
  const write = (path: string, text: string, mode: number): boolean => {
    const changed = !existsSync(path) || readFileSync(path, 'utf8') !== text;
    if (changed) writeFileSync(path, text, { mode });
    own(path, mode);
    return changed;
  };
  write(join(dir, 'enabled_plugins'), '[].\n', 0o600);
  write(configFile(site), config(site), 0o600);
  const cookie = join(dir, '.erlang.cookie');
  if (!existsSync(cookie)) write(cookie, randomBytes(20).toString('hex'), 0o400);
  return write(definitionsFile(site), brokerDefinitions(hostIds, secrets, fleetsOf(site), membersOf(site)), 0o600);
}

async function brokerControl(site: Site, args: string[], accept = [0]): Promise<void> {
  const ids = userIds('rabbitmq');
  await run('setpriv', [`--reuid=${ids.uid}`, `--regid=${ids.gid}`, '--init-groups', join(programs(), 'rabbitmqctl'), '--quiet', ...args],
    { env: environment(site), timeoutMs: 90_000, accept });
}

/** Makes a running broker take over the definitions file. */
export const importDefinitions = (site: Site): Promise<void> => brokerControl(site, ['import_definitions', definitionsFile(site)]);

const NO_SUCH_USER = 67;

/** Ends a user and its connections; one that is gone is no error. */
export const deleteBrokerUser = (site: Site, user: string): Promise<void> => brokerControl(site, ['delete_user', user], [0, NO_SUCH_USER]);
