import type { Static, TSchema } from '@sinclair/typebox';

/** A request that is answered. The caller waits at most `timeoutMs`; the server does not start it after that. */
export interface CallSpec<I extends TSchema = TSchema, O extends TSchema = TSchema> {
  kind: 'call';
  input: I;
  output: O;
  timeoutMs: number;
}

/** A durable message, delivered at least once: its handler must bear a repeat. */
export interface CastSpec<I extends TSchema = TSchema> {
  kind: 'cast';
  input: I;
}

export type MethodSpec = CallSpec | CastSpec;

export interface Contract<M extends Record<string, MethodSpec> = Record<string, MethodSpec>> {
  /** Names the queues: see `callQueue` and `castQueue`. */
  name: string;
  methods: M;
  /** `agents`: the only contracts that a hypervisor's agent may reach. Its handlers must judge `meta.sender`. */
  audience: 'services' | 'agents';
}

export const call = <I extends TSchema, O extends TSchema>(input: I, output: O, timeoutMs = 10_000): CallSpec<I, O> =>
  ({ kind: 'call', input, output, timeoutMs });

export const cast = <I extends TSchema>(input: I): CastSpec<I> => ({ kind: 'cast', input });

export const defineContract = <M extends Record<string, MethodSpec>>(name: string, methods: M, options: { audience?: 'services' | 'agents' } = {}): Contract<M> =>
  ({ name, methods, audience: options.audience ?? 'services' });

/** What a handler knows of a message besides its body. */
export interface MessageMeta {
  messageId: string;
  /** The broker user that published it, verified by the broker; an agent's is `agent-<host id>`. */
  sender: string;
  /**
   * Milliseconds since the epoch after which nobody waits for the answer; undefined for casts. By the clock of whoever serves, from the
   * arrival on: two machines need not agree on the time of day, and what waits too long at the broker does not arrive.
   */
  deadline?: number;
  redelivered: boolean;
  /** For log lines alone: who sends may write what it likes. */
  requestId?: string;
  operationId?: string;
  instanceId?: string;
}

export type MethodInput<S extends MethodSpec> = Static<S['input']>;
export type MethodOutput<S extends MethodSpec> = S extends CallSpec<TSchema, infer O> ? Static<O> : void;

/** One function for each method: a missing one is a compile error. */
export type Handlers<C extends Contract> = {
  [K in keyof C['methods']]: (input: MethodInput<C['methods'][K]>, meta: MessageMeta) => Promise<MethodOutput<C['methods'][K]>>;
};

export interface SendOptions {
  timeoutMs?: number;
  /** For casts: repeated messages with the same id are one message to the inbox of the receiver. */
  messageId?: string;
}

/** Calls resolve to the answer or throw CloudError; casts resolve when the broker has confirmed that it keeps the message. */
export type Client<C extends Contract> = {
  [K in keyof C['methods']]: (input: MethodInput<C['methods'][K]>, options?: SendOptions) => Promise<MethodOutput<C['methods'][K]>>;
};
