import { sql, type Insertable, type Kysely, type Transaction } from 'kysely';
import { newUuid, systemClock, type Logger } from '@virga/core';

/** The table that every schema with an outbox has; create it with `OUTBOX_TABLE_SQL`. */
export interface OutboxTable {
  id: string;
  topic: string;
  target: string | null;
  payload: string;
  created_at: Date;
}
export interface WithOutbox { outbox: OutboxTable }

export const OUTBOX_TABLE_SQL = `CREATE TABLE outbox (
  id CHAR(36) NOT NULL PRIMARY KEY,
  topic VARCHAR(64) NOT NULL,
  target VARCHAR(64) NULL,
  payload MEDIUMTEXT NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  KEY outbox_created (created_at)
) ENGINE=InnoDB`;

/** Puts a message beside the state change that it tells of, in the same transaction. The id is the message's id. */
export async function addToOutbox<S extends WithOutbox>(
  trx: Transaction<S>, message: { topic: string; target?: string; payload: unknown; id?: string },
): Promise<string> {
  const id = message.id ?? newUuid();
  const row: Insertable<WithOutbox['outbox']> = {
    id, topic: message.topic, target: message.target ?? null, payload: JSON.stringify(message.payload), created_at: new Date(),
  };
  await (trx as unknown as Transaction<WithOutbox>).insertInto('outbox').values(row).execute();
  return id;
}

const BATCH = 50;

export interface OutboxMessage { id: string; topic: string; target: string | null; payload: unknown }

/**
 * Publishes outbox rows and deletes each after the broker's confirm. Any number of relays may run: rows are taken with
 * SKIP LOCKED. A crash between confirm and delete repeats the message under the same id.
 */
export class OutboxRelay<S extends WithOutbox> {
  private wakeUp: (() => void) | undefined;
  private stopping = false;
  private running: Promise<void> | undefined;
  private woken = false;

  constructor(
    private readonly db: Kysely<S>,
    private readonly publish: (message: OutboxMessage) => Promise<void>,
    private readonly logger: Logger,
    private readonly pollMs = 1000,
  ) {}

  start(): void {
    this.running ??= this.loop();
  }

  /** Called after a commit, so that the message goes at once and not at the next poll. */
  wake(): void {
    this.woken = true;
    this.wakeUp?.();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.wake();
    await this.running;
  }

  private async loop(): Promise<void> {
    while (!this.stopping) {
      this.woken = false;
      let more = false;
      try {
        more = await this.relayBatch();
      } catch (error) {
        this.logger.warn({ err: error }, 'outbox relay failed; trying again');
      }
      if (!more && !this.woken && !this.stopping) await this.pause();
    }
  }

  private pause(): Promise<void> {
    const abort = new AbortController();
    this.wakeUp = () => abort.abort(new Error('woken'));
    return systemClock.sleep(this.pollMs, abort.signal).catch(() => undefined).finally(() => { this.wakeUp = undefined; });
  }

  /** True when there may be more to send at once. */
  private async relayBatch(): Promise<boolean> {
    const db = this.db as unknown as Kysely<WithOutbox>;
    return db.transaction().execute(async (trx) => {
      const rows = await trx.selectFrom('outbox').selectAll().orderBy('created_at').limit(BATCH)
        .modifyEnd(sql`for update skip locked`).execute();
      const sent = await Promise.allSettled(rows.map((row) => this.publish({ ...row, payload: JSON.parse(row.payload) as unknown })));
      const done = rows.filter((_, index) => sent[index]!.status === 'fulfilled').map((row) => row.id);
      if (done.length > 0) await trx.deleteFrom('outbox').where('id', 'in', done).execute();
      const failed = sent.find((result) => result.status === 'rejected');
      if (failed) this.logger.warn({ err: (failed as PromiseRejectedResult).reason as unknown, kept: rows.length - done.length }, 'broker did not take messages; kept');
      return rows.length === BATCH && done.length > 0;
    });
  }
}
