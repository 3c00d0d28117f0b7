import type { ConnectionOptions } from 'node:tls';
import amqp, { type ChannelModel } from 'amqplib';
import { backoffMs, systemClock, unavailable, type Logger, type RetryPolicy } from '@virga/core';

const RECONNECT: RetryPolicy = { attempts: Infinity, baseMs: 200, maxMs: 3000 };
const HEARTBEAT_SECONDS = 10;
const CONNECT_TIMEOUT_MS = 10_000;
const SETUP_TIMEOUT_MS = 20_000;
const CLOSE_TIMEOUT_MS = 3000;

export interface LinkOptions {
  url: string;
  /** Of an amqps URL: read at every connect, so that a renewed certificate counts from the next one on. */
  tls?: () => ConnectionOptions;
  logger: Logger;
  /** Shown in the broker's list of connections. */
  name: string;
  /** Makes channels, queues and consumers anew; runs after every connect. An error ends this connection. */
  setup: (connection: ChannelModel) => Promise<void>;
  lost: () => void;
}

/** One connection to the broker that comes back by itself until it is closed. */
export class RabbitLink {
  private connection: ChannelModel | undefined;
  private closing = false;
  private running: Promise<void> | undefined;
  private readonly stopped = new AbortController();

  constructor(private readonly options: LinkOptions) {}

  /** Connects; tries again for `patienceMs`, except when the broker refuses the user. */
  async start(patienceMs: number): Promise<void> {
    const deadline = Date.now() + patienceMs;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.connect();
      } catch (error) {
        const refused = /ACCESS_REFUSED|ACCESS-REFUSED/.test(String(error));
        if (refused || this.closing || Date.now() > deadline) {
          throw unavailable(`The message broker cannot be used: ${(error as Error).message}`, { cause: error, retryable: !refused });
        }
        await systemClock.sleep(50 + backoffMs(RECONNECT, attempt), this.stopped.signal);
      }
    }
  }

  async close(): Promise<void> {
    this.closing = true;
    this.stopped.abort(new Error('closed'));
    await this.running?.catch(() => undefined);
    if (this.connection) await closeConnection(this.connection);
    this.connection = undefined;
  }

  private async connect(): Promise<void> {
    const url = new URL(this.options.url);
    if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', String(HEARTBEAT_SECONDS));
    // Without noDelay a reply waits for the peer's delayed acknowledgement, about 40 ms.
    const connection = await within(CONNECT_TIMEOUT_MS, amqp.connect(url.href, {
      ...(url.protocol === 'amqps:' && this.options.tls?.()), noDelay: true, timeout: CONNECT_TIMEOUT_MS, clientProperties: { connection_name: this.options.name },
    }), (late) => void closeConnection(late));
    connection.on('error', (error) => this.options.logger.warn({ err: error }, 'broker connection failed'));
    connection.once('close', () => {
      if (this.connection !== connection) return;
      this.connection = undefined;
      this.options.lost();
      if (!this.closing) this.running = this.reconnect();
    });
    try {
      await this.setUp(connection);
    } catch (error) {
      await closeConnection(connection);
      throw error;
    }
    this.connection = connection;
  }

  /** A channel that waits for the broker may wait for ever when the connection ends meanwhile: that ends the set-up here. */
  private async setUp(connection: ChannelModel): Promise<void> {
    const broken = new Promise<never>((_resolve, reject) => {
      connection.once('close', (error) => reject(error ?? new Error('The connection ended while it was set up.')));
    });
    await within(SETUP_TIMEOUT_MS, Promise.race([this.options.setup(connection), broken]), () => undefined);
  }

  private async reconnect(): Promise<void> {
    for (let attempt = 1; !this.closing; attempt++) {
      try {
        await systemClock.sleep(backoffMs(RECONNECT, attempt), this.stopped.signal);
        await this.connect();
        return;
      } catch (error) {
        if (!this.closing) this.options.logger.warn({ err: error, attempt }, 'broker is out of reach');
      }
    }
  }
}

/** Says good-bye, or hangs up on a broker that does not answer. */
async function closeConnection(connection: ChannelModel): Promise<void> {
  const timer = setTimeout(() => {
    (connection.connection as unknown as { stream: { destroy(error: Error): void } }).stream.destroy(new Error('closed without an answer'));
  }, CLOSE_TIMEOUT_MS);
  const closed = new Promise<void>((resolve) => { connection.once('close', () => resolve()); });
  await Promise.race([connection.close().catch(() => undefined), closed]);
  clearTimeout(timer);
}

/** The library's own time-out is one of the idle socket: a handshake that ends in silence has none. */
async function within<T>(ms: number, work: Promise<T>, tooLate: (result: T) => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { over = true; reject(new Error(`The broker did not answer within ${ms} ms.`)); }, ms);
  });
  work.then((result) => { if (over) tooLate(result); }, () => undefined);
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
