import { badRequest } from '@virga/core';
import type { Contract } from './contract';

/**
 * Names at the broker. Queues of services and hosts are reached by name through the default exchange, which only
 * services may write to; an agent writes to `virga.agent` and nowhere else, and only the gateway's queues, the
 * callers' reply queues and the dead-letter queue are bound to that.
 */
export const AGENT_EXCHANGE = 'virga.agent';
export const TOPIC_EXCHANGE = 'virga.topic';
export const RETRY = 'virga.retry';
export const DEAD_QUEUE = 'virga.dead';
export const DIRECT_REPLY = 'amq.rabbitmq.reply-to';

/** How long a message rests before it is tried again. Part of a queue's declaration: changing it needs a new name. */
export const RETRY_DELAY_MS = 1000;
/** Dead letters kept for the operator; the oldest go first. */
export const DEAD_LIMIT = 10_000;

const HOST_ID = /^[A-Za-z0-9_-]{1,64}$/;

function checkedHostId(hostId: string): string {
  if (!HOST_ID.test(hostId)) throw badRequest('A host id consists of at most 64 letters, digits, dashes and underscores.');
  return hostId;
}

/** Calls wait here; not durable and gone with its last server, so that a call to nobody fails at once. */
export const callQueue = (contract: Contract, hostId?: string): string =>
  hostId === undefined ? `rpc.${contract.name}` : `host.${checkedHostId(hostId)}.rpc`;

/** Casts wait here; durable, declared by senders and servers alike (never by an agent). */
export const castQueue = (contract: Contract, hostId?: string): string =>
  hostId === undefined ? `work.${contract.name}` : `host.${checkedHostId(hostId)}`;

export const CALL_QUEUE_OPTIONS = { durable: false, autoDelete: true } as const;

/**
 * Classic and not quorum: in RabbitMQ 3.10 two servers that declare a quorum queue at once can lose their connections
 * (INTERNAL_ERROR), and after a kill -9 of a single node such a queue answers only after a minute. What a classic
 * queue may lose with its node, the outbox and the sweepers repair.
 */
export const CAST_QUEUE_OPTIONS = { durable: true, arguments: { 'x-dead-letter-exchange': RETRY } } as const;

/** `agent-<host id>`: the broker user of a host's agent. */
export const agentUser = (hostId: string): string => `agent-${checkedHostId(hostId)}`;
export const isAgentUser = (user: string): boolean => user.startsWith('agent-');

/**
 * RabbitMQ's permissions for the user `agent-<host id>`: it may make and read its own call queue, read (never make) its
 * own command queue, and write to the gateway's exchange. Nothing else: not the default exchange, not the topics,
 * no other host's queues.
 */
export function hostPermissions(hostId: string): { configure: string; write: string; read: string } {
  const own = `host\\.${checkedHostId(hostId)}`;
  return { configure: `^${own}\\.rpc$`, write: '^virga\\.agent$', read: `^${own}(\\.rpc)?$` };
}

/** Services own the virtual host; who sent a message is still verified by the broker. */
export const servicePermissions = (): { configure: string; write: string; read: string } => ({ configure: '.*', write: '.*', read: '.*' });
