import { createPool, type Pool, type PoolOptions } from 'mysql2';
import { Kysely, MysqlDialect, type Transaction } from 'kysely';
import { internalError, systemClock, backoffMs } from '@virga/core';

export interface DatabaseOptions {
  /** mysql://user:password@host:port/schema, or with `?socketPath=/path` for a unix socket. */
  url: string;
  /** Connections of this process at most. */
  poolSize?: number;
}

/** Either the database or a running transaction: repositories take this, so that callers decide what is one transaction. */
export type Executor<S> = Kysely<S> | Transaction<S>;

export function poolOptions({ url, poolSize = 8 }: DatabaseOptions): PoolOptions {
  const parsed = new URL(url);
  const socketPath = parsed.searchParams.get('socketPath');
  return {
    ...(socketPath ? { socketPath } : { host: parsed.hostname, port: Number(parsed.port || 3306) }),
    user: decodeURIComponent(parsed.username),
    password: decodeURIComponent(parsed.password),
    database: parsed.pathname.slice(1),
    connectionLimit: poolSize,
    maxIdle: poolSize,
    charset: 'utf8mb4_bin',
    timezone: 'Z',
    supportBigNumbers: true,
    jsonStrings: false,
    // Matched rows and not changed rows: a compare-and-swap that writes the value already there has still won.
    flags: ['FOUND_ROWS'],
    enableKeepAlive: true,
  };
}

const SESSION_SETUP = [
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  "SET SESSION time_zone='+00:00', sql_mode='STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ENGINE_SUBSTITUTION'",
];

/** The pool below `createDatabase`. Sessions run at READ COMMITTED: claims and state changes are compare-and-swap statements. */
export function createSessions(options: DatabaseOptions): Pool {
  const pool: Pool = createPool(poolOptions(options));
  pool.on('connection', (connection) => {
    // Statements of a connection run in order, so these stand before whatever the pool's user asks for.
    for (const statement of SESSION_SETUP) connection.query(statement, (error) => { if (error) connection.destroy(); });
  });
  return pool;
}

/** A typed database over its own pool of connections. */
export const createDatabase = <S>(options: DatabaseOptions): Kysely<S> => new Kysely<S>({ dialect: new MysqlDialect({ pool: createSessions(options) }) });

/** MariaDB's numbers for a deadlock and a lock wait time-out: the whole transaction is run again. */
const REPEATABLE = new Set([1213, 1205]);
const errno = (error: unknown): number | undefined => (error as { errno?: number } | null)?.errno;

/** True when the statement lost against another transaction (deadlock, lock wait) and may simply be run again. */
export const isLockConflict = (error: unknown): boolean => REPEATABLE.has(errno(error) ?? 0);
/** True when a unique or primary key refused the row. */
export const isDuplicateKey = (error: unknown): boolean => errno(error) === 1062;
/** True when a foreign key still refers to the row that was to be deleted (1451), or to one that is missing (1452). */
export const isForeignKeyViolation = (error: unknown): boolean => errno(error) === 1451 || errno(error) === 1452;

const CONNECTION_CODES = new Set(['PROTOCOL_CONNECTION_LOST', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOENT', 'ER_SERVER_SHUTDOWN', 'ER_CON_COUNT_ERROR']);
/** True when the database could not be reached; whether the last statement took effect is then unknown. */
export const isConnectionLost = (error: unknown): boolean => CONNECTION_CODES.has((error as { code?: string } | null)?.code ?? '');

/**
 * Runs `work` in one transaction and runs it again, whole, after a deadlock. `work` must have no effect outside the
 * database. An `Executor` that is already a transaction is joined.
 */
export async function inTransaction<S, T>(db: Executor<S>, work: (trx: Transaction<S>) => Promise<T>): Promise<T> {
  if (db.isTransaction) return work(db as Transaction<S>);
  for (let attempt = 1; attempt <= 10; attempt++) {
    try {
      return await db.transaction().execute(work);
    } catch (error) {
      if (!isLockConflict(error)) throw error;
      await systemClock.sleep(backoffMs({ attempts: 10, baseMs: 5, maxMs: 200 }, attempt));
    }
  }
  throw internalError('A transaction met ten deadlocks in a row.', { retryable: true });
}
