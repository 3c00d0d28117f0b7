import { Type, type Static } from '@sinclair/typebox';
import { call, defineContract } from '@virga/rpc';

/** A port that compute made or took for an instance. */
export const ComputePort = Type.Object({
  portId: Type.String(),
  instanceId: Type.String(),
  /** Name of the host to which it is bound; empty when it is bound to none. */
  hostname: Type.String(),
  /** Name of the host to which its instance is moving; empty when it is not. */
  nextHostname: Type.String(),
  status: Type.String(),
  ownedByInstance: Type.Boolean(),
});
export type ComputePort = Static<typeof ComputePort>;

/** How the network service's own rows and OVN's stand to each other. */
export const NetworkAudit = Type.Object({
  /** Resources whose northbound rows are not what the tables say, as `kind/id`. */
  differing: Type.Array(Type.String()),
  /** Owners of northbound rows that are in no table, as `kind/id`. */
  stale: Type.Array(Type.String()),
  /** Floating IPs that point to a port which is not there, by id. */
  danglingFloatingIps: Type.Array(Type.String()),
  /** Changes that wait to be written, and how long the oldest has waited, seconds. */
  queued: Type.Integer(),
  oldestQueuedSeconds: Type.Number(),
});
export type NetworkAudit = Static<typeof NetworkAudit>;

/** Served by network for whoever compares the cloud with itself. */
export const networkAuditContract = defineContract('network-audit', {
  computePorts: call(Type.Object({}), Type.Object({ ports: Type.Array(ComputePort) }), 20_000),
  /** Compares and changes nothing; `unavailable` while the northbound database is away. */
  audit: call(Type.Object({}), NetworkAudit, 30_000),
  /** Has the writer compare and repair everything now instead of at its time. */
  reconcile: call(Type.Object({}), Type.Object({})),
});
