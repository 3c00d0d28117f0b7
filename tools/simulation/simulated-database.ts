import { createSessions } from '@virga/db';
import { Kysely, MysqlDialect, type CompiledQuery, type DatabaseConnection, type Driver, type QueryResult } from 'kysely';
import { deadlock, type DatabaseTurns, type Holder } from './database-turns';
import { currentProcess, never, type FaultKind, type SimulatedProcess } from './simulated-process';
import type { SimulatedTime } from './simulated-time';

const connectionLost = (why: string): Error => Object.assign(new Error(`Simulated: ${why}.`), { code: 'PROTOCOL_CONNECTION_LOST' });
/** An operation has many more statements than commits. */
const COMMITS = 3;
/** Transactions of one world at once; more of them wait until one has ended. */
const TRANSACTIONS = 32;

const order = (sql: 'commit' | 'rollback'): CompiledQuery => ({ sql, parameters: [], query: undefined as never, queryId: { queryId: sql } });

/** Connections on which transactions run, the one that was given back last first; whoever comes when there is none waits. */
class Connections {
  private readonly waiting: ((connection: DatabaseConnection) => void)[] = [];
  constructor(private readonly free: DatabaseConnection[]) {}

  take(): Promise<DatabaseConnection> {
    const connection = this.free.pop();
    return connection ? Promise.resolve(connection) : new Promise((resolve) => { this.waiting.push(resolve); });
  }

  give(connection: DatabaseConnection): void {
    const next = this.waiting.shift();
    if (next) next(connection);
    else this.free.push(connection);
  }
}

/** What a process has of the database: the connection for single statements that all share, as only one of them is done at a time, or one of its own while it is in a transaction. */
class Session implements DatabaseConnection, Holder {
  private transaction: DatabaseConnection | undefined;
  /** What the transaction holds; nothing need be given back as long as it has only looked and found nothing. */
  holds = false;
  private broken = false;
  private readonly forget: (() => void) | undefined;

  constructor(
    private readonly ticket: number, private readonly single: DatabaseConnection, private readonly connections: Connections,
    readonly process: SimulatedProcess | undefined, private readonly time: SimulatedTime, private readonly turns: DatabaseTurns,
  ) {
    // The database takes back what a dead client has not committed.
    this.forget = process?.onDeath(() => { turns.bury(async () => { await this.takeBack(); this.leave(); }); });
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const fault = this.fault(this.transaction ? ['databaseError', 'deadlock'] : ['databaseError', 'commitAnswerLost', 'deadlock']);
    return this.turn(async () => {
      const connection = this.transaction ?? this.single;
      this.turns.note(query.sql);
      const now = this.time.now + (this.turns.localClocks ? this.process?.skew ?? 0 : 0);
      const tell = await this.turns.observe?.(query, (sql, parameters) => connection.executeQuery({ ...query, sql, parameters }));
      try {
        const answer = await connection.executeQuery<R>({ ...query, sql: `SET STATEMENT timestamp=${(now / 1000).toFixed(6)} FOR ${query.sql}` });
        if (answer.rows.length > 0 || answer.numAffectedRows !== undefined) this.hold();
        tell?.(Number(answer.numAffectedRows ?? 0));
        return answer;
      } catch (error) {
        // One that was refused may hold the row that it met.
        this.hold();
        throw error;
      }
    }, fault);
  }

  private hold(): void {
    if (!this.transaction) return;
    this.holds = true;
    this.turns.holds(this);
  }

  // eslint-disable-next-line require-yield -- nobody reads rows one by one here
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('Rows are not read one by one in a simulation.');
  }

  fault(kinds: readonly FaultKind[], times = 1): FaultKind | undefined {
    if (this.broken) throw connectionLost('the connection is lost');
    return this.process?.draw(kinds, times);
  }

  async begin(): Promise<void> {
    const fault = this.fault(['databaseError']);
    const transaction = await this.connections.take();
    if (this.process?.dead) { this.connections.give(transaction); return never(); }
    this.transaction = transaction;
    if (fault) await this.turn(() => Promise.resolve(), fault);
  }

  commit(): Promise<void> {
    const fault = this.fault(['databaseError', 'commitAnswerLost'], COMMITS);
    return this.turn(() => this.finish('commit'), fault);
  }

  rollback(): Promise<void> {
    return this.turn(() => this.takeBack());
  }

  takeBack(): Promise<void> {
    return this.finish('rollback');
  }

  private async finish(how: 'commit' | 'rollback'): Promise<void> {
    if (this.holds) await this.transaction!.executeQuery(order(how));
    this.holds = false;
    this.turns.released(this);
  }

  /** The end of the session. */
  leave(): void {
    this.forget?.();
    if (this.transaction) this.connections.give(this.transaction);
    this.transaction = undefined;
  }

  /** Does it when its turn comes; a process that has died meanwhile never hears of it. */
  private async turn<T>(work: () => Promise<T>, fault?: FaultKind): Promise<T> {
    if (this.process?.dead) return never();
    if (fault === 'databaseError') { this.broken = true; throw connectionLost('the connection was lost before the statement'); }
    // The database takes back the whole transaction.
    if (fault === 'deadlock') { await this.rollback(); throw deadlock(); }
    const answer = await this.turns.ask(this.ticket, this, work);
    if (this.process?.dead) return never();
    if (fault === 'commitAnswerLost') { this.broken = true; throw connectionLost('the answer was lost'); }
    return answer;
  }
}

export interface SimulatedDatabase<S> {
  db: Kysely<S>;
  /** Ends what is still open of transactions that held nothing. */
  rest(): Promise<void>;
  close(): Promise<void>;
}

/** The database's side of the simulation: true time is the database's time, and connections break before a statement, or before its answer. */
export async function simulatedDatabase<S>(url: string, time: SimulatedTime, turns: DatabaseTurns): Promise<SimulatedDatabase<S>> {
  const pool = createSessions({ url, poolSize: TRANSACTIONS + 1 });
  const driver = new MysqlDialect({ pool }).createDriver();
  await driver.init();
  const opened = await Promise.all(Array.from({ length: TRANSACTIONS + 1 }, () => driver.acquireConnection()));
  const set = (connection: DatabaseConnection, sql: string) => connection.executeQuery({ ...order('commit'), sql });
  // Nobody waits in the database for a lock; see `DatabaseTurns`.
  for (const connection of opened) await set(connection, 'SET SESSION innodb_lock_wait_timeout = 0');
  const [single, ...others] = opened as [DatabaseConnection, ...DatabaseConnection[]];
  // A transaction begins with its first statement there: one question less.
  for (const connection of others) await set(connection, 'SET SESSION autocommit = 0');
  const connections = new Connections([...others]);
  const simulated: Driver = {
    init: async () => undefined,
    acquireConnection: async () => {
      const process = currentProcess();
      return process?.dead ? never() : new Session(turns.ticket, single, connections, process, time, turns);
    },
    beginTransaction: (session) => (session as Session).begin(),
    commitTransaction: (session) => (session as Session).commit(),
    rollbackTransaction: (session) => (session as Session).rollback(),
    releaseConnection: async (session) => (session as Session).process?.dead ? never() : (session as Session).leave(),
    destroy: async () => undefined,
  };
  class Simulated extends MysqlDialect {
    override createDriver(): Driver {
      return simulated;
    }
  }
  return {
    db: new Kysely<S>({ dialect: new Simulated({ pool }) }),
    rest: async () => { for (const connection of others) await connection.executeQuery(order('rollback')); },
    close: async () => {
      for (const connection of opened) await driver.releaseConnection(connection);
      await driver.destroy();
    },
  };
}
