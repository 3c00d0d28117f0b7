import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import mysql from 'mysql2/promise';
import { accepts, sharedInProcess, startPrivateServer, temporaryDirectory, type PrivateServer } from './private-server';

export interface TestMariaDb {
  socketPath: string;
  /** `mysql://...?socketPath=...` of the superuser for the given schema, as the apps take it in VIRGA_DB_URL. */
  urlFor(schema: string): string;
  /** Drops and creates the schema, empty; returns its URL. */
  createSchema(schema: string): Promise<string>;
  /** Runs statements as superuser, e.g. to make users and grants. */
  execute(sql: string): Promise<void>;
  /** Ends an instance of one's own; a shared one ends with the process. */
  stop(): Promise<void>;
}

/** An instance of one's own that can be killed and started again on the same data. */
export interface OwnMariaDb extends TestMariaDb, Pick<PrivateServer, 'kill' | 'start' | 'pid'> {}

const run = promisify(execFile);

/** 64 MB pool, no performance schema, small log: 55 MB of memory, up in about 0.1 s once installed. */
const SERVER_OPTIONS = [
  '--no-defaults', '--skip-networking', '--skip-name-resolve', '--innodb-buffer-pool-size=64M', '--innodb-log-file-size=32M',
  '--performance-schema=OFF', '--skip-log-bin', '--innodb-flush-log-at-trx-commit=1', '--max-connections=300',
  '--character-set-server=utf8mb4', '--collation-server=utf8mb4_general_ci', '--sql-mode=STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',
  '--innodb-lock-wait-timeout=10',
];

/** A private MariaDB on a unix socket, shared by all test files of this process; empty at first. */
export async function startMariaDb(): Promise<TestMariaDb> {
  const socketPath = await sharedInProcess('mariadb', async (note) => {
    const { socket, server } = await launch(note);
    return { reach: socket, pid: server.pid() };
  });
  return { ...reach(socketPath), stop: async () => { /* ends with the process */ } };
}

/** A private MariaDB for one test alone, which may kill it. The caller must `stop` it. `parent`: where its data lies, the temporary directory by default. */
export async function startOwnMariaDb(options: { parent?: string } = {}): Promise<OwnMariaDb> {
  const { socket, server } = await launch(undefined, options.parent);
  return { ...reach(socket), pid: server.pid, kill: server.kill, start: server.start, stop: server.stop };
}

async function launch(note?: string, parent?: string): Promise<{ socket: string; server: PrivateServer }> {
  const dir = temporaryDirectory('mariadb', parent);
  const data = join(dir, 'data');
  const socket = join(dir, 'sock');
  mkdirSync(data);
  chmodSync(dir, 0o700);
  await run('mariadb-install-db', [
    '--no-defaults', `--datadir=${data}`, `--tmpdir=${dir}`, '--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve',
    '--innodb-buffer-pool-size=64M', '--innodb-log-file-size=32M', '--innodb-flush-log-at-trx-commit=0', '--user=root',
  ]);
  const server = await startPrivateServer({
    ...(note && { note }),
    dir,
    command: ['mariadbd', ...SERVER_OPTIONS, `--datadir=${data}`, `--tmpdir=${dir}`, `--socket=${socket}`, `--pid-file=${dir}/mariadbd.pid`, '--user=root'],
    ready: () => accepts({ path: socket }),
    readyTimeoutMs: 60_000,
  });
  return { socket, server };
}

function reach(socketPath: string): Omit<TestMariaDb, 'stop'> {
  const urlFor = (schema: string): string => `mysql://root@localhost/${schema}?socketPath=${encodeURIComponent(socketPath)}`;
  const execute = async (sql: string): Promise<void> => {
    const connection = await mysql.createConnection({ socketPath, user: 'root', multipleStatements: true });
    try {
      await connection.query(sql);
    } finally {
      await connection.end();
    }
  };
  return {
    socketPath,
    urlFor,
    execute,
    createSchema: async (schema) => {
      if (!/^[a-z0-9_]+$/.test(schema)) throw new Error(`not a schema name: ${schema}`);
      await execute(`DROP DATABASE IF EXISTS \`${schema}\`; CREATE DATABASE \`${schema}\``);
      return urlFor(schema);
    },
  };
}
