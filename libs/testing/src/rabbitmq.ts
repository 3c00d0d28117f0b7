import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { accepts, freePort, sharedInProcess, startPrivateServer, temporaryDirectory, type PrivateServer } from './private-server';

/** RabbitMQ's three regular expressions for names of exchanges and queues, and optionally those for topics. */
export interface BrokerPermissions {
  configure: string;
  write: string;
  read: string;
  topics?: { exchange: string; write: string; read: string }[];
}

export interface TestRabbit {
  /** `amqp://user:password@127.0.0.1:port/` of a user made here; without a name the one who may do everything. */
  url(user?: string): string;
  /** Adds users, name to permissions, in one go (about 2 s, however many). */
  addUsers(users: Record<string, BrokerPermissions>): Promise<void>;
  /** Adds one user, who may do everything unless said otherwise; returns its URL. */
  addUser(name: string, permissions?: BrokerPermissions): Promise<string>;
  /** Runs an Erlang expression in the broker and returns what it prints. */
  evaluate(expression: string): Promise<string>;
  port: number;
  /** Ends an instance of one's own; a shared one ends with the process. */
  stop(): Promise<void>;
}

/** An instance of one's own that can be killed and started again on the same data. */
export interface OwnRabbit extends TestRabbit, Pick<PrivateServer, 'kill' | 'start' | 'pid'> {}

interface Reach { dir: string; port: number; epmdPort: number; node: string; password: string }

/** Every right, as services have. */
export const EVERYTHING: BrokerPermissions = { configure: '.*', write: '.*', read: '.*' };
const run = promisify(execFile);

/** Not the wrapper of /usr/sbin: that one switches the user and the paths. */
function sbin(): string {
  const root = '/usr/lib/rabbitmq/lib';
  const version = existsSync(root) ? readdirSync(root).find((name) => name.startsWith('rabbitmq_server-')) : undefined;
  if (!version) throw new Error('rabbitmq-server is not installed');
  return join(root, version, 'sbin');
}

/** A private RabbitMQ on the loopback, shared by all test files of this process: name queues and hosts by the test. */
export async function startRabbit(): Promise<TestRabbit> {
  const shared = await sharedInProcess('rabbitmq', async (note) => {
    const { reach, server } = await launch(note);
    return { reach, pid: server.pid() };
  });
  return { ...reachable(shared), stop: async () => { /* ends with the process */ } };
}

/** A private RabbitMQ for one test alone, which may kill it. The caller must `stop` it. */
export async function startOwnRabbit(): Promise<OwnRabbit> {
  const { reach, server } = await launch();
  return { ...reachable(reach), pid: server.pid, kill: server.kill, start: server.start, stop: server.stop };
}

async function launch(note?: string): Promise<{ reach: Reach; server: PrivateServer }> {
  const dir = temporaryDirectory('rabbitmq');
  const [port, distPort, epmdPort] = await threePorts();
  const reach: Reach = { dir, port, epmdPort, node: `virga-${process.pid}-${port}@localhost`, password: randomBytes(18).toString('hex') };
  writeFileSync(join(dir, 'rabbitmq.conf'), [
    `listeners.tcp.1 = 127.0.0.1:${port}`,
    'loopback_users = none',
    'default_user = everything',
    `default_pass = ${reach.password}`,
    'log.console = true',
    'log.file = false',
    'log.console.level = warning',
    'disk_free_limit.absolute = 10MB',
    'vm_memory_high_watermark.absolute = 512MB',
    '',
  ].join('\n'), { mode: 0o600 });
  writeFileSync(join(dir, 'enabled_plugins'), '[].\n');
  // epmd runs as long as the keeper, our parent: one started by Erlang itself would stay behind.
  writeFileSync(join(dir, 'run'), [
    '#!/bin/sh',
    'keeper=$PPID',
    `if ! epmd -port ${epmdPort} -names >/dev/null 2>&1; then`,
    `  ( epmd -port ${epmdPort} -address 127.0.0.1 & while kill -0 "$keeper" 2>/dev/null; do sleep 0.5; done; kill $! ) >/dev/null 2>&1 &`,
    'fi',
    `exec ${sbin()}/rabbitmq-server`,
    '',
  ].join('\n'), { mode: 0o700 });
  const server = await startPrivateServer({
    ...(note && { note }),
    dir,
    command: [join(dir, 'run')],
    env: { ...environment(reach), RABBITMQ_DIST_PORT: String(distPort), RABBITMQ_ALLOW_INPUT: '1',
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-noinput -kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none' },
    ready: () => accepts({ host: '127.0.0.1', port }),
    readyTimeoutMs: 90_000,
  });
  return { reach, server };
}

async function threePorts(): Promise<[number, number, number]> {
  const ports = new Set<number>();
  while (ports.size < 3) ports.add(await freePort(21100, 21199));
  return [...ports] as [number, number, number];
}

function environment(reach: Reach): Record<string, string> {
  return {
    HOME: reach.dir,
    RABBITMQ_NODENAME: reach.node,
    RABBITMQ_MNESIA_BASE: join(reach.dir, 'mnesia'),
    RABBITMQ_LOG_BASE: join(reach.dir, 'log'),
    RABBITMQ_CONFIG_FILE: join(reach.dir, 'rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(reach.dir, 'enabled_plugins'),
    RABBITMQ_CONF_ENV_FILE: join(reach.dir, 'absent'),
    ERL_EPMD_PORT: String(reach.epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
  };
}

function reachable(reach: Reach): Omit<TestRabbit, 'stop'> {
  const evaluate = async (expression: string): Promise<string> => {
    const { stdout } = await run(join(sbin(), 'rabbitmqctl'), ['--quiet', 'eval', expression], {
      env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', ...environment(reach) },
    });
    return stdout;
  };
  const url = (user = 'everything'): string => `amqp://${encodeURIComponent(user)}:${reach.password}@127.0.0.1:${reach.port}/`;
  const text = (value: string): string => `<<${JSON.stringify(value)}>>`;
  const addUsers = async (users: Record<string, BrokerPermissions>): Promise<void> => {
    const by = text('test');
    const steps = Object.entries(users).flatMap(([name, permissions]) => {
      const user = text(name);
      return [
        `_ = (catch rabbit_auth_backend_internal:delete_user(${user}, ${by}))`,
        `ok = rabbit_auth_backend_internal:add_user(${user}, ${text(reach.password)}, ${by})`,
        `ok = rabbit_auth_backend_internal:set_permissions(${user}, <<"/">>, ${text(permissions.configure)}, ${text(permissions.write)}, ${text(permissions.read)}, ${by})`,
        ...(permissions.topics ?? []).map((topic) =>
          `ok = rabbit_auth_backend_internal:set_topic_permissions(${user}, <<"/">>, ${text(topic.exchange)}, ${text(topic.write)}, ${text(topic.read)}, ${by})`),
      ];
    });
    await evaluate(`${[...steps, 'ok'].join(', ')}.`);
  };
  return {
    port: reach.port,
    url,
    evaluate,
    addUsers,
    addUser: async (name, permissions = EVERYTHING) => {
      await addUsers({ [name]: permissions });
      return url(name);
    },
  };
}
