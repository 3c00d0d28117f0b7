import { Connection } from './connection';
import type { ConnectionOptions } from './connection';
import { DatabaseSchema } from './database-schema';
import { ConnectionLostError, ProtocolError, ServerError, UnsuitableServerError } from './errors';
import type { Condition, TableMonitor } from './model';
import { encodeConditions } from './transact';

/** The transaction id that asks for everything. */
export const noTransaction = '00000000-0000-0000-0000-000000000000';

export interface SessionOptions extends ConnectionOptions {
  readonly database: string;
  readonly leaderOnly: boolean;
  readonly monitor: Readonly<Record<string, TableMonitor<never> | undefined>>;
}

/** What a client remembers from one session to the next. */
export interface Resume {
  /** Last transaction seen, and the subscription it was seen with. */
  lastTransaction: string;
  subscription: string;
  /** Cluster id and RAFT index last seen: a member that is behind them would show the past. */
  cluster: string;
  index: number;
}

export interface MonitorStart {
  /** The updates hold only what changed since `Resume.lastTransaction`. */
  readonly incremental: boolean;
  readonly lastTransaction: string;
  readonly updates: unknown;
}

/** A connection that has passed every check, with its schema and the beginning of its monitor. */
export interface Session {
  readonly connection: Connection;
  readonly schema: DatabaseSchema;
  /** Columns subscribed to, by table: those asked for that the server has. */
  readonly columns: ReadonlyMap<string, readonly string[]>;
  /** Tables (`T`) and columns (`T.c`) asked for that the server lacks. */
  readonly missing: readonly string[];
  readonly start: MonitorStart | undefined;
}

interface ServerState {
  readonly connected?: boolean;
  readonly leader?: boolean;
  readonly model?: string;
  readonly cid?: unknown;
  readonly index?: unknown;
}

/**
 * Connects to one remote, checks that the server may be used, reads the schema and starts the monitor.
 * Rejects with UnsuitableServerError for a follower (with `leaderOnly`), a member without quorum, or one that
 * is behind what `resume` has seen. `onNotification` gets every later message of this connection.
 */
export async function openSession(
  remote: string,
  options: SessionOptions,
  resume: Resume,
  onNotification: (connection: Connection, method: string, params: readonly unknown[]) => void,
  onOpen: (connection: Connection) => void,
): Promise<Session> {
  const connection = await Connection.open(remote, options);
  onOpen(connection);
  try {
    connection.on('notification', (method, params) => {
      if (method === 'update2' || method === 'update') watchServer(connection, options, resume, method, params);
      onNotification(connection, method, params);
    });
    await checkServer(connection, options, resume);
    const schema = DatabaseSchema.parse(await connection.call('get_schema', [options.database]));
    const { requests, columns, missing } = subscription(schema, options.monitor);
    const start = columns.size === 0 ? undefined : await startMonitor(connection, options, resume, requests);
    if (connection.closedBy) throw connection.closedBy;
    return { connection, schema, columns, missing, start };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** The fixed id of each monitor; `_Server` is watched apart from the data. */
const serverMonitor = ['virga-ovsdb', '_Server'];
const dataMonitor = ['virga-ovsdb', 'data'];
const serverColumns = ['name', 'model', 'connected', 'leader', 'cid', 'index'];

/** Is this update part of the data monitor? */
export function isDataUpdate(id: unknown): boolean {
  return JSON.stringify(id) === JSON.stringify(dataMonitor);
}

/** Servers older than the `_Server` database have no clusters: there is nothing to check then. */
async function checkServer(connection: Connection, options: SessionOptions, resume: Resume): Promise<void> {
  const names = await connection.call('list_dbs', []);
  if (!Array.isArray(names)) throw new ProtocolError('list_dbs: the answer is not a list');
  if (!names.includes(options.database)) throw new UnsuitableServerError(`${connection.remote} has no database ${options.database}`);
  if (!names.includes('_Server')) return;
  const answer = await connection.call('monitor', ['_Server', serverMonitor, { Database: [{ columns: serverColumns }] }]);
  judge(connection, options, resume, answer);
}

function judge(connection: Connection, options: SessionOptions, resume: Resume, updates: unknown): void {
  const rows = Object.values((updates as { Database?: Record<string, { new?: ServerState & { name?: string } }> }).Database ?? {});
  const state = rows.find((row) => row.new?.name === options.database)?.new;
  if (!state) return;
  if (state.connected === false) throw new UnsuitableServerError(`${connection.remote} is not connected to its cluster`);
  if (state.model !== 'clustered') return;
  if (options.leaderOnly && !state.leader) throw new UnsuitableServerError(`${connection.remote} is not the leader`);
  const cluster = JSON.stringify(state.cid);
  const index = typeof state.index === 'number' ? state.index : 0;
  if (cluster === resume.cluster && index < resume.index) {
    throw new UnsuitableServerError(`${connection.remote} is behind (index ${index}, seen ${resume.index})`);
  }
  resume.cluster = cluster;
  resume.index = index;
}

function watchServer(connection: Connection, options: SessionOptions, resume: Resume, method: string, params: readonly unknown[]): void {
  if (method !== 'update' || JSON.stringify(params[0]) !== JSON.stringify(serverMonitor)) return;
  try {
    judge(connection, options, resume, params[1]);
  } catch (error) {
    if (!(error instanceof UnsuitableServerError)) throw error;
    connection.close(new ConnectionLostError(error.message, true, { cause: error }));
  }
}

interface MonitorRequest {
  readonly columns: readonly string[];
  readonly where?: readonly unknown[];
}

function subscription(
  schema: DatabaseSchema,
  monitor: SessionOptions['monitor'],
): { requests: Record<string, MonitorRequest[]>; columns: Map<string, readonly string[]>; missing: string[] } {
  const requests: Record<string, MonitorRequest[]> = {};
  const columns = new Map<string, readonly string[]>();
  const missing: string[] = [];
  for (const [table, spec] of Object.entries(monitor)) {
    if (spec === undefined) continue;
    if (!schema.hasTable(table)) {
      missing.push(table);
      continue;
    }
    const wanted = (typeof spec === 'object' && 'columns' in spec ? spec.columns : spec) as 'all' | readonly string[];
    const present = wanted === 'all' ? schema.columnsOf(table) : wanted.filter((column) => schema.hasColumn(table, column));
    if (wanted !== 'all') missing.push(...wanted.filter((column) => !present.includes(column)).map((column) => `${table}.${column}`));
    const anyOf = typeof spec === 'object' && 'anyOf' in spec ? (spec.anyOf as readonly Condition<never>[]) : undefined;
    columns.set(table, present);
    requests[table] = [{ columns: present, ...(anyOf ? { where: encodeConditions(schema, table, anyOf) } : {}) }];
  }
  return { requests, columns, missing };
}

async function startMonitor(
  connection: Connection,
  options: SessionOptions,
  resume: Resume,
  requests: Record<string, MonitorRequest[]>,
): Promise<MonitorStart> {
  const wanted = JSON.stringify([options.database, requests]);
  // Differences only make sense on top of what the same subscription delivered before.
  const since = resume.subscription === wanted ? resume.lastTransaction : noTransaction;
  const common = [options.database, dataMonitor, requests];
  try {
    const answer = await connection.call('monitor_cond_since', [...common, since]);
    if (!Array.isArray(answer) || answer.length !== 3) throw new ProtocolError('monitor_cond_since: malformed answer');
    resume.subscription = wanted;
    return { incremental: answer[0] === true, lastTransaction: String(answer[1]), updates: answer[2] };
  } catch (error) {
    if (!(error instanceof ServerError) || error.code !== 'unknown method') throw error;
  }
  resume.subscription = '';
  return { incremental: false, lastTransaction: noTransaction, updates: await connection.call('monitor_cond', common) };
}
