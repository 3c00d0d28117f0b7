import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { quote } from '../env-file';
import { mariadbHealth } from '../health/socket-health';
import { run } from '../run-command';
import type { SecretStore } from '../secrets';
import type { Site } from '../site';
import { userIds } from '../system-users';
import type { Part } from './part';

/** One schema and one user of the same name for each service that keeps tables. */
export const SCHEMAS = ['identity', 'compute', 'placement', 'network', 'image'] as const;
export type Schema = (typeof SCHEMAS)[number];

const directory = (site: Site): string => join(site.state, 'mariadb');
export const databaseSocket = (site: Site): string => join(directory(site), 'mysqld.sock');
const configFile = (site: Site): string => join(site.etc, 'mariadb.cnf');

export const databaseUrl = (site: Site, secrets: SecretStore, schema: Schema): string =>
  `mysql://${schema}:${secrets.get(`db.${schema}`)}@localhost/${schema}?socketPath=${databaseSocket(site)}`;

export function mariadbPart(site: Site): Part {
  return {
    name: 'mariadb',
    group: 'store',
    after: [],
    script: `exec mariadbd --defaults-file=${quote(configFile(site))}`,
    files: [configFile(site)],
    health: () => mariadbHealth(databaseSocket(site)),
    startTimeoutMs: 60_000,
    stopTimeoutMs: 60_000,
  };
}

/** Small but safe: every commit is on disk before it is answered. */
function config(site: Site): string {
  const dir = directory(site);
  return [
    '[mariadbd]', 'user=mysql', `datadir=${dir}/data`, `tmpdir=${dir}/tmp`, `socket=${dir}/mysqld.sock`, `pid-file=${dir}/mariadbd.pid`,
    'skip-networking', 'skip-name-resolve', 'performance-schema=OFF', 'innodb-buffer-pool-size=64M', 'innodb-log-file-size=32M',
    'innodb-log-buffer-size=4M', 'innodb-flush-log-at-trx-commit=1', 'innodb-lock-wait-timeout=10', 'key-buffer-size=1M', 'aria-pagecache-buffer-size=1M',
    'max-connections=300', 'thread-cache-size=16', 'table-open-cache=400', 'skip-log-bin', 'character-set-server=utf8mb4', 'collation-server=utf8mb4_general_ci',
    'sql-mode=STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', '',
  ].join('\n');
}

/** Directories, configuration and, once, the system tables. */
export async function prepareMariadb(site: Site): Promise<void> {
  const dir = directory(site);
  const mysql = userIds('mysql');
  for (const path of [dir, join(dir, 'tmp')]) {
    mkdirSync(path, { recursive: true });
    chownSync(path, mysql.uid, mysql.gid);
    chmodSync(path, path === dir ? 0o711 : 0o700);
  }
  writeFileSync(configFile(site), config(site), { mode: 0o644 });
  chmodSync(configFile(site), 0o644);
  const data = join(dir, 'data');
  const complete = join(dir, 'installed');
  if (existsSync(complete)) return;
  // Without the mark an installation was interrupted: no service has used it yet.
  rmSync(data, { recursive: true, force: true });
  await run('mariadb-install-db', [`--defaults-file=${configFile(site)}`, '--user=mysql', `--datadir=${data}`, '--auth-root-authentication-method=socket', '--skip-test-db'],
    { timeoutMs: 120_000 });
  writeFileSync(complete, '');
}

/** Runs statements as the database's superuser, who is known by being root on the unix socket. */
export async function executeSql(site: Site, sql: string): Promise<string> {
  const { stdout } = await run('mariadb', ['--no-defaults', '--batch', '--skip-column-names', `--socket=${databaseSocket(site)}`, '--user=root'], { input: sql });
  return stdout;
}

/** Schemas and users; each user owns its schema and sees no other. A repeat changes nothing. */
export async function createSchemas(site: Site, secrets: SecretStore): Promise<void> {
  await executeSql(site, SCHEMAS.flatMap((schema) => [
    `CREATE DATABASE IF NOT EXISTS \`${schema}\`;`,
    `CREATE USER IF NOT EXISTS '${schema}'@'localhost';`,
    `ALTER USER '${schema}'@'localhost' IDENTIFIED BY '${secrets.get(`db.${schema}`)}';`,
    `GRANT ALL PRIVILEGES ON \`${schema}\`.* TO '${schema}'@'localhost';`,
  ]).join('\n'));
}

/** Views that an owner publishes, and who may read them. Needs the owners' migrations. */
export async function grantViews(site: Site): Promise<void> {
  for (const view of ['server_addresses', 'server_security_groups']) await executeSql(site, `GRANT SELECT ON \`network\`.\`${view}\` TO 'compute'@'localhost';`);
}
