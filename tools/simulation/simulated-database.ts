import { createSessions } from '@virga/db';
import { Kysely, MysqlDialect, type CompiledQuery, type DatabaseConnection, type Driver, type QueryResult } from 'kysely';
import type { Random } from './random';
import { currentProcess, never, type FaultKind, type SimulatedProcess } from './simulated-process';
import { realPause, realTurn, type SimulatedTime } from './simulated-time';

const connectionLost = (why: string): Error => Object.assign(new Error(`Simulated: ${why}.`), { code: 'PROTOCOL_CONNECTION_LOST' });
const deadlock = (): Error => Object.assign(new Error('Simulated: deadlock.'), { errno: 1213, code: 'ER_LOCK_DEADLOCK' });
/** An operation has many more statements than commits. */
const COMMITS = 3;
/** Of processes at work together, ms a statement. */
const STATEMENT_MS = 0.5;
/** Of one world at most, of each of two kinds. */
const SESSIONS = 60;
/** After so long, real ms, a statement may be waiting for a lock. */
const SUSPICIOUS_MS = 40;

/** Sees a statement in its turn, before it is done; what it returns is told how many rows it has changed. */
export type Observer = (query: CompiledQuery, ask: <R>(sql: string, parameters: unknown[]) => Promise<QueryResult<R>>) => Promise<((changed: number) => void) | undefined>;

interface Turn { ticket: number; begin: () => Promise<unknown>; ended: boolean }

/**
 * Gives one statement at a time its turn, chosen by the seed among those that wait for theirs: so the order in which processes reach the
 * database is part of the schedule. One that waits for a lock is left waiting, and others go on.
 */
export class DatabaseTurns {
  private waiting: Turn[] = [];
  private readonly blocked = new Set<Turn>();
  /** Connections that are being made. */
  opening = 0;
  statements = 0;
  random: Random | undefined;
  observe: Observer | undefined;
  private tickets = 0;

  constructor(private readonly lockWaits: () => Promise<number>) {}

  /** `ticket` tells those apart that wait at once, and follows from the order in which they were asked for. */
  ask<T>(ticket: number, work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ ticket, begin: () => work().then(resolve, reject), ended: false });
    });
  }

  get ticket(): number {
    return ++this.tickets;
  }

  get any(): boolean {
    return this.waiting.length > 0;
  }

  /** True when what is out waits for a lock that another process holds. */
  async stuck(): Promise<boolean> {
    return this.blocked.size === 0 || (await this.lockWaits()) >= this.blocked.size;
  }

  async next(): Promise<void> {
    // How fast a connection was made has no say.
    this.waiting.sort((a, b) => a.ticket - b.ticket);
    const [turn] = this.waiting.splice(this.random!.below(this.waiting.length), 1) as [Turn];
    this.statements++;
    const work = turn.begin().finally(() => { turn.ended = true; this.blocked.delete(turn); });
    while (!turn.ended) {
      await Promise.race([work, realPause(SUSPICIOUS_MS)]);
      if (turn.ended || (await this.lockWaits()) <= this.blocked.size) continue;
      this.blocked.add(turn);
      break;
    }
    // Those that this one has let go are at work now.
    while (this.blocked.size > 0 && (await this.lockWaits()) < this.blocked.size) await realTurn();
  }
}

/** The database's side of the simulation: true time is the database's time, and connections break before a statement, or before its answer. */
export function simulatedDatabase<S>(url: string, time: SimulatedTime, turns: DatabaseTurns): { db: Kysely<S>; close(): Promise<void> } {
  const pools = [createSessions({ url, poolSize: SESSIONS }), createSessions({ url, poolSize: SESSIONS })] as const;
  // A transaction begins with its first statement there: one question less.
  pools[1].on('connection', (connection) => { connection.query('SET SESSION autocommit = 0'); });
  class Simulated extends MysqlDialect {
    override createDriver(): Driver {
      return simulatedDriver(super.createDriver(), new MysqlDialect({ pool: pools[1] }).createDriver(), time, turns);
    }
  }
  return {
    db: new Kysely<S>({ dialect: new Simulated({ pool: pools[0] }) }),
    close: async () => { for (const pool of pools) await new Promise<void>((resolve) => { pool.end(() => resolve()); }); },
  };
}

/** What a process has of the database: a connection, or another one while it is in a transaction. */
class Session implements DatabaseConnection {
  transaction: DatabaseConnection | undefined;
  /** What the transaction holds; nothing need be given back as long as it has only looked and found nothing. */
  private touched = false;
  private broken = false;
  returned = false;
  /** Work of this session that has not come back. */
  last: Promise<unknown> = Promise.resolve();

  constructor(private readonly ticket: number, readonly plain: DatabaseConnection, readonly process: SimulatedProcess | undefined, private readonly time: SimulatedTime, private readonly turns: DatabaseTurns) {}

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const fault = this.fault(this.transaction ? ['databaseError', 'deadlock'] : ['databaseError', 'commitAnswerLost', 'deadlock']);
    const answer = await this.turn(async () => {
      const connection = this.transaction ?? this.plain;
      const { now } = this.time;
      const tell = await this.turns.observe?.(query, (sql, parameters) => connection.executeQuery({ ...query, sql, parameters }));
      const result = await connection.executeQuery<R>({ ...query, sql: `SET STATEMENT timestamp=${(now / 1000).toFixed(6)} FOR ${query.sql}` });
      tell?.(Number(result.numAffectedRows ?? 0));
      return result;
    }, fault);
    if (answer.rows.length > 0 || answer.numAffectedRows !== undefined) this.touched = true;
    return answer;
  }

  streamQuery<R>(query: CompiledQuery, size?: number): AsyncIterableIterator<QueryResult<R>> {
    return this.plain.streamQuery<R>(query, size);
  }

  fault(kinds: readonly FaultKind[], times = 1): FaultKind | undefined {
    if (this.broken) throw connectionLost('the connection is lost');
    return this.process?.draw(kinds, times);
  }

  begin(connection: DatabaseConnection): void {
    this.transaction = connection;
    this.touched = false;
  }

  /** Ends the transaction by COMMIT or ROLLBACK. */
  async finish(how: 'commit' | 'rollback', fault?: FaultKind): Promise<void> {
    const { transaction } = this;
    await this.turn(async () => { if (transaction && this.touched) await transaction.executeQuery({ sql: how, parameters: [], query: undefined as never, queryId: { queryId: how } }); }, fault);
  }

  /** Does it when its turn comes; a process that has died meanwhile never hears of it. */
  async turn<T>(work: () => Promise<T>, fault?: FaultKind): Promise<T> {
    if (this.process?.dead) return never();
    if (fault === 'databaseError') { this.broken = true; throw connectionLost('the connection was lost before the statement'); }
    if (fault === 'deadlock') {
      // The database takes back the whole transaction.
      await this.finish('rollback');
      throw deadlock();
    }
    const done = this.turns.ask(this.ticket, () => {
      if (this.process?.dead) return Promise.resolve(undefined as T);
      this.time.pass(STATEMENT_MS);
      return work();
    });
    this.last = done.catch(() => undefined);
    const answer = await done;
    if (this.process?.dead) return never();
    if (fault === 'commitAnswerLost') { this.broken = true; throw connectionLost('the answer was lost'); }
    return answer;
  }
}

function simulatedDriver(driver: Driver, transactions: Driver, time: SimulatedTime, turns: DatabaseTurns): Driver {
  const forget = new Map<Session, () => void>();
  const opened = async <T>(work: () => Promise<T>): Promise<T> => {
    turns.opening++;
    return work().finally(() => { turns.opening--; });
  };
  const giveBack = async (session: Session): Promise<void> => {
    if (session.returned) return;
    session.returned = true;
    forget.get(session)?.();
    forget.delete(session);
    if (session.transaction) await transactions.releaseConnection(session.transaction);
    await driver.releaseConnection(session.plain);
  };
  /** The database takes back what a dead client has not committed. */
  const bury = async (session: Session): Promise<void> => {
    await session.last;
    await opened(async () => {
      if (session.transaction) await transactions.rollbackTransaction(session.transaction);
      await giveBack(session);
    });
  };
  return {
    init: async () => { await driver.init(); await transactions.init(); },
    acquireConnection: async () => {
      const process = currentProcess();
      if (process?.dead) return never();
      const { ticket } = turns;
      const plain = await opened(() => driver.acquireConnection());
      if (process?.dead) { await driver.releaseConnection(plain); return never(); }
      const session = new Session(ticket, plain, process, time, turns);
      if (process) forget.set(session, process.onDeath(() => void bury(session)));
      return session;
    },
    beginTransaction: async (connection) => {
      const session = connection as Session;
      const fault = session.fault(['databaseError']);
      const transaction = await opened(() => transactions.acquireConnection());
      if (session.process?.dead) { await transactions.releaseConnection(transaction); return never(); }
      session.begin(transaction);
      if (fault) await session.turn(() => Promise.resolve(), fault);
    },
    commitTransaction: async (connection) => {
      const session = connection as Session;
      await session.finish('commit', session.fault(['databaseError', 'commitAnswerLost'], COMMITS));
    },
    rollbackTransaction: async (connection) => {
      await (connection as Session).finish('rollback');
    },
    releaseConnection: async (connection) => {
      const session = connection as Session;
      if (session.process?.dead) return never();
      await giveBack(session);
    },
    destroy: async () => { await driver.destroy(); await transactions.destroy(); },
  };
}
