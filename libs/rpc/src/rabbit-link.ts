import amqp, { type ChannelModel } from 'amqplib';
import { backoffMs, systemClock, unavailable, type Logger, type RetryPolicy } from '@virga/core';

const RECONNECT: RetryPolicy = { attempts: Infinity, baseMs: 200, maxMs: 3000 };
const HEARTBEAT_SECONDS = 10;
const CONNECT_TIMEOUT_MS = 10_000;

export interface LinkOptions {
  url: string;
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
    await this.connection?.close().catch(() => undefined);
    this.connection = undefined;
  }

  private async connect(): Promise<void> {
    const url = new URL(this.options.url);
    if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', String(HEARTBEAT_SECONDS));
    // Without noDelay a reply waits for the peer's delayed acknowledgement, about 40 ms.
    const connection = await amqp.connect(url.href, {
      noDelay: true, timeout: CONNECT_TIMEOUT_MS, clientProperties: { connection_name: this.options.name },
    });
    connection.on('error', (error) => this.options.logger.warn({ err: error }, 'broker connection failed'));
    connection.once('close', () => {
      if (this.connection !== connection) return;
      this.connection = undefined;
      this.options.lost();
      if (!this.closing) this.running = this.reconnect();
    });
    try {
      await this.options.setup(connection);
    } catch (error) {
      await connection.close().catch(() => undefined);
      throw error;
    }
    this.connection = connection;
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
