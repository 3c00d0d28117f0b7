import { createHash } from 'node:crypto';
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
/** Users who speak for hosts, and may do at the broker only what that takes. */
export const isAgentUser = (user: string): boolean => user.startsWith('agent-') || user.startsWith('fleet-');

const FLEET_NAME = /^[a-z][a-z0-9-]{0,31}$/;
const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

function checkedFleet(name: string): string {
  if (!FLEET_NAME.test(name)) throw badRequest('A fleet is named by at most 32 lower-case letters, digits and dashes, beginning with a letter.');
  return name;
}

/** `fleet-<name>`: the broker user of a process that simulates many hosts. */
export const fleetUser = (name: string): string => `fleet-${checkedFleet(name)}`;

/**
 * How the ids of a fleet's hosts begin. It follows from the fleet's name, so that the broker can confine the fleet to
 * its own queues; the version 8 (made by a rule of one's own) keeps real hosts' random ids apart.
 */
function fleetPrefix(name: string): string {
  let prefix = prefixes.get(name);
  if (prefix === undefined) {
    const of = digest(`virga fleet ${checkedFleet(name)}`);
    prefixes.set(name, (prefix = `${of.slice(0, 8)}-${of.slice(8, 12)}-8`));
  }
  return prefix;
}
const prefixes = new Map<string, string>();

/** Id of the simulated host `index` of a fleet: always the same UUID. */
export function fleetHostId(name: string, index: number): string {
  const of = digest(`virga fleet ${checkedFleet(name)} host ${index}`);
  return `${fleetPrefix(name)}${of.slice(0, 3)}-a${of.slice(3, 6)}-${of.slice(6, 18)}`;
}

/** The fleet that a sender is and that the host belongs to; undefined for real agents and for foreign hosts. */
export function fleetOf(sender: string, hostId: string): string | undefined {
  const name = sender.startsWith('fleet-') ? sender.slice('fleet-'.length) : '';
  return FLEET_NAME.test(name) && hostId.startsWith(fleetPrefix(name)) ? name : undefined;
}

/** Whether a broker user is the agent of the host, or the fleet that simulates it. */
export const speaksFor = (sender: string, hostId: string): boolean => sender === `agent-${hostId}` || fleetOf(sender, hostId) !== undefined;

/**
 * RabbitMQ's permissions for the user `agent-<host id>`: it may make and read its own call queue, read (never make) its
 * own command queue, and write to the gateway's exchange. Nothing else: not the default exchange, not the topics,
 * no other host's queues.
 */
export function hostPermissions(hostId: string): { configure: string; write: string; read: string } {
  const own = `host\\.${checkedHostId(hostId)}`;
  return { configure: `^${own}\\.rpc$`, write: '^virga\\.agent$', read: `^${own}(\\.rpc)?$` };
}

/** What `fleet-<name>` may do: for each host of the fleet what that host's agent may. */
export function fleetPermissions(name: string): { configure: string; write: string; read: string } {
  const own = `host\\.${fleetPrefix(name)}[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}`;
  return { configure: `^${own}\\.rpc$`, write: '^virga\\.agent$', read: `^${own}(\\.rpc)?$` };
}

/** Services own the virtual host; who sent a message is still verified by the broker. */
export const servicePermissions = (): { configure: string; write: string; read: string } => ({ configure: '.*', write: '.*', read: '.*' });
