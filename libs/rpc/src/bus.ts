import type { Client, Contract, Handlers } from './contract';

/** Where a contract is served: by a service (any of its copies answers) or by the agent of one host. */
export interface Target {
  hostId?: string;
}

export interface ServeOptions extends Target {
  /** Messages in work at once; the rest waits at the broker. */
  concurrency?: number;
}

export interface Served {
  /** Takes no new message, finishes those in work, then resolves. */
  stop(): Promise<void>;
}

/** Facts that anyone may listen to (e.g. revocations). Not durable: a listener reads a snapshot at start and on `onReconnect`. */
export type TopicHandler = (payload: unknown) => void;

/** The one way by which processes talk. Over RabbitMQ in a cloud, in memory in one process and in tests. */
export interface Bus {
  client<C extends Contract>(contract: C, target?: Target): Client<C>;
  serve<C extends Contract>(contract: C, handlers: Handlers<C>, options?: ServeOptions): Promise<Served>;
  /** Makes the durable queue of a contract's casts before anything is sent there, so that its server need not wait for the first one. */
  prepare(contract: Contract, target?: Target): Promise<void>;
  publish(topic: string, payload: unknown): Promise<void>;
  subscribe(topic: string, handler: TopicHandler): Promise<void>;
  onReconnect(listener: () => void): void;
  /** False while the broker is out of reach. */
  readonly connected: boolean;
  close(): Promise<void>;
}
