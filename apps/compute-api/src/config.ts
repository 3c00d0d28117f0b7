import { Type, type Static } from '@sinclair/typebox';
import { ApiConfig, BusConfig, CommonConfig, DatabaseConfig, loadConfig } from '@virga/service';

export const MigrateConfig = Type.Object({ ...DatabaseConfig, VIRGA_LOG_LEVEL: CommonConfig.VIRGA_LOG_LEVEL });

/** Keys of both processes. */
const shared = {
  ...CommonConfig,
  ...DatabaseConfig,
  ...BusConfig,
  VIRGA_COMPUTE_DEFAULT_ZONE: Type.String({ default: 'nova', minLength: 1, description: 'Availability zone of hosts that are in no other.' }),
};

export const ComputeApiConfig = Type.Object({
  ...shared,
  ...ApiConfig,
  VIRGA_LISTEN: Type.String({ default: '127.0.0.1:8774', description: 'host:port of the public API.' }),
  VIRGA_COMPUTE_MAX_LIMIT: Type.Integer({ default: 1000, minimum: 1, description: 'Most entries of one list answer.' }),
  VIRGA_COMPUTE_NETWORK_SCHEMA: Type.String({
    default: 'network', pattern: '^[A-Za-z0-9_]+$', description: 'Schema in which the network service publishes its views for compute: addresses and security groups of servers.',
  }),
  VIRGA_COMPUTE_NETWORK_URL: Type.String({ default: 'http://127.0.0.1:9696', pattern: '^https?://[^?#]*[^/?#]$', description: 'Where this service reaches the network API, for its older calls about networks, without a slash at the end.' }),
  VIRGA_COMPUTE_IMAGE_URL: Type.String({ default: 'http://127.0.0.1:9292', pattern: '^https?://[^?#]*[^/?#]$', description: 'Where this service reaches the image API, for its older calls about images, without a slash at the end.' }),
  VIRGA_COMPUTE_CONSOLE_URL: Type.String({
    default: 'http://127.0.0.1:6080', pattern: '^https?://[^?#]*[^/?#]$', description: 'Where browsers reach a console proxy, without a slash at the end.',
  }),
  VIRGA_COMPUTE_CONSOLE_SERIAL_URL: Type.String({
    default: '', pattern: '^((ws|http)s?://[^?#]+)?$',
    description: 'Another URL for serial consoles, e.g. ws://host:6080/ for programs that want a WebSocket; empty: the proxy\'s own page.',
  }),
  VIRGA_COMPUTE_CONSOLE_TOKEN_IN_FRAGMENT: Type.Boolean({
    default: false,
    description: 'Whether a console\'s token stands behind # in its URL, where no server sees it; clients that look for it in the query, as OpenStack\'s do, then find none.',
  }),
  VIRGA_COMPUTE_CONSOLE_TOKEN_SECONDS: Type.Integer({ default: 300, minimum: 5, maximum: 3600, description: 'How long a console\'s token waits to be used.' }),
});
export type ComputeApiConfig = Static<typeof ComputeApiConfig>;

export const ConductorConfig = Type.Object({
  ...shared,
  VIRGA_COMPUTE_OPERATION_LEASE_MS: Type.Integer({
    default: 15_000, minimum: 1000, description: 'How long a conductor owns an operation without renewal; an operation of a dead conductor waits that long.',
  }),
  VIRGA_COMPUTE_SWEEP_MS: Type.Integer({ default: 2000, minimum: 100, description: 'How often the database is searched for due operations.' }),
  VIRGA_COMPUTE_DEAD_HOST_GRACE_MS: Type.Integer({
    default: 20_000, minimum: 0, description: 'How long after the end of a host\'s lease its commands are still waited for.',
  }),
  VIRGA_COMPUTE_HEARTBEAT_MS: Type.Integer({ default: 3000, minimum: 100, description: 'How often hosts report.' }),
  VIRGA_COMPUTE_RECONCILE_MS: Type.Integer({
    default: 15_000, minimum: 0, description: 'How often the conductor compares the cloud with itself and repairs what differs; 0 = never.',
  }),
  VIRGA_COMPUTE_KEEP_OPERATIONS_DAYS: Type.Integer({
    default: 30, minimum: 1, description: 'Days for which operations that have ended are kept with their steps, the events of a server\'s actions.',
  }),
  VIRGA_COMPUTE_KEEP_DELETED_DAYS: Type.Integer({
    default: 90, minimum: 1, description: 'Days for which deleted servers are kept, for the lists of administrators and for usage reports.',
  }),
  VIRGA_COMPUTE_SIMULATED_FLEETS: Type.String({
    default: '', pattern: '^([a-z][a-z0-9-]{0,31}(,[a-z][a-z0-9-]{0,31})*)?$',
    description: 'Names of fleets of simulated hosts that may report, separated by commas; empty in a cloud that serves anybody.',
  }),
  VIRGA_COMPUTE_MIGRATION_POST_COPY: Type.Boolean({
    default: true, description: 'Whether a live migration that does not converge may go on at the destination before all memory is there; if not, the guest is slowed down.',
  }),
  VIRGA_COMPUTE_MIGRATION_DOWNTIME_MS: Type.Integer({ default: 500, minimum: 10, maximum: 60_000, description: 'Longest pause of a guest at the end of its live migration, ms.' }),
  VIRGA_COMPUTE_MIGRATION_DEADLINE_SECONDS: Type.Integer({
    default: 1800, minimum: 5, description: 'After this time a live migration is switched to post-copy, or aborted where that is not possible, seconds.',
  }),
  VIRGA_COMPUTE_MIGRATION_RECOVER_SECONDS: Type.Integer({
    default: 600, minimum: 1, description: 'How long a live migration that was interrupted after the switch to post-copy is taken up again before the guest is given up, seconds.',
  }),
  VIRGA_COMPUTE_DRAIN_AT_ONCE: Type.Integer({ default: 2, minimum: 1, maximum: 64, description: 'Guests of a drained host that are moved at the same time.' }),
  VIRGA_COMPUTE_EVACUATE_AFTER_SECONDS: Type.Integer({
    default: 0, minimum: 0, maximum: 86_400, description: 'So long after a host should have reported it is taken for dead, fenced, and its servers are evacuated without anybody asking; nothing is done while more than half of the hosts are silent. 0: never.',
  }),
  VIRGA_COMPUTE_FENCE_COMMAND: Type.String({
    default: '', pattern: '^(/.*)?$', description: 'Program that gets the name of a dead host and cuts its power before its servers are evacuated; exit code 0 says that it is surely off. Empty: an administrator says so by forcing the compute service down.',
  }),
  VIRGA_COMPUTE_ALLOW_RESIZE_TO_SAME_HOST: Type.Boolean({ default: true, description: 'Whether the scheduler may leave a server that is resized on its host.' }),
  VIRGA_COMPUTE_RESIZE_CONFIRM_WINDOW: Type.Integer({ default: 0, minimum: 0, description: 'After so long a resize or cold migration that nobody has confirmed is confirmed, seconds; 0 = never.' }),
  VIRGA_COMPUTE_HOST_LEASE_MS: Type.Integer({ default: 10_000, minimum: 500, description: 'How long a host is alive after a report.' }),
  VIRGA_COMPUTE_CONSOLE_SESSION_MINUTES: Type.Integer({ default: 720, minimum: 1, description: 'How long a console may stay open, come what may.' }),
});
export type ConductorConfig = Static<typeof ConductorConfig>;

export const computeApiConfig = (): ComputeApiConfig => loadConfig(ComputeApiConfig, process.env);
export const conductorConfig = (): ConductorConfig => loadConfig(ConductorConfig, process.env);
export const migrateConfig = (): Static<typeof MigrateConfig> => loadConfig(MigrateConfig, process.env);
