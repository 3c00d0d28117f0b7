import type { networkContract } from '@virga/contracts';
import { unavailable } from '@virga/core';
import { inTransaction, isDuplicateKey, type Kysely } from '@virga/db';
import type { Handlers } from '@virga/rpc';
import type { CollectionVerbs } from '../api/verbs';
import type { NetworkSchema } from '../db/tables';
import type { SyncWaiter } from '../ovn/sync-waiter';
import { contextOfActor } from './actor-context';
import { allocatePorts, attachPort, bindPorts, isInstanceConflict, releasePorts } from './allocate-ports';
import { changeSecurityGroup } from './change-security-group';
import { describeSecurityGroups } from './describe-security-groups';
import { portsOfInstance } from './instance-ports';
import { resolveGroups, resolveNetworks } from './resolve-requested';

/** Longest time that `bindPorts` waits for the northbound rows, ms; below the time-out of the call. */
const BIND_WAIT_MS = 15_000;

export function networkHandlers(db: Kysely<NetworkSchema>, verbs: CollectionVerbs, waiter: SyncWaiter): Handlers<typeof networkContract> {
  return {
    async resolveRequested({ actor, requested, securityGroups, count }) {
      const caller = contextOfActor(actor);
      const networks = await resolveNetworks(db, caller, requested, count);
      const securityGroupIds = securityGroups.length === 0 ? [] : await inTransaction(db, (trx) => resolveGroups(trx, caller, securityGroups));
      // The default group may have been made.
      if (securityGroupIds.length > 0) waiter.changed();
      return { networks, securityGroupIds, newPorts: count * networks.filter(({ portId }) => portId === undefined).length };
    },

    async allocatePorts({ actor, ...request }) {
      const caller = contextOfActor(actor);
      const allocate = () => inTransaction(db, (trx) => allocatePorts(trx, verbs, caller, request));
      // Two messages for one instance at once: the second finds the ports of the first.
      await allocate().catch((error: unknown) => { if (!isInstanceConflict(error)) throw error; return allocate(); });
      // The writer is not woken: nobody needs the rows before the binding, which follows soon and has them written once.
      return {};
    },

    async bindPorts({ instanceId, hostname, next }) {
      const { ids, changed } = await inTransaction(db, (trx) => bindPorts(trx, instanceId, hostname, next?.hostname));
      if (!(await waiter.written(ids, { timeoutMs: BIND_WAIT_MS, changed }))) throw unavailable('The ports were not written to the network database in time.');
      return { ports: await portsOfInstance(db, instanceId) };
    },

    async releasePorts({ instanceId }) {
      await inTransaction(db, (trx) => releasePorts(trx, instanceId));
      waiter.changed();
      return {};
    },

    async releasePort({ instanceId, portId }) {
      await inTransaction(db, (trx) => releasePorts(trx, instanceId, portId));
      waiter.changed();
      return {};
    },

    async attachPort({ actor, ...request }) {
      const caller = contextOfActor(actor);
      const attach = () => inTransaction(db, (trx) => attachPort(trx, verbs, caller, request));
      // Two messages for one port at once, or two ports for one instance: the second looks again.
      const portId = await attach().catch((error: unknown) => { if (!isDuplicateKey(error)) throw error; return attach(); });
      return { port: (await portsOfInstance(db, request.instanceId)).find((port) => port.portId === portId)! };
    },

    async changeSecurityGroup({ actor, ...change }) {
      const name = await inTransaction(db, (trx) => changeSecurityGroup(trx, contextOfActor(actor), change));
      waiter.changed();
      return { name };
    },

    instancePorts: async ({ instanceId }) => ({ ports: await portsOfInstance(db, instanceId) }),

    async describeSecurityGroups({ instanceId }) {
      return { groups: await describeSecurityGroups(db, instanceId) };
    },
  };
}
