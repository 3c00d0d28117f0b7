import type { InstancePort, RequestedNetwork } from '@virga/contracts';
import { CloudError } from '@virga/core';
import type { Transaction } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import type { Operation } from '../operations/operation';
import type { StepContext, Workflow } from '../operations/workflow';
import { giveBack, settle } from './settle';

export interface AttachArgs {
  network: RequestedNetwork;
  /** Id of the port if one is made. */
  newPortId: string;
}
export interface DetachArgs { portId: string }

const attachArgs = (operation: Operation) => operation.args as unknown as AttachArgs;
const portIdOf = (operation: Operation): string => {
  const { network, newPortId } = attachArgs(operation);
  return network.portId ?? newPortId;
};
const detachedPort = (operation: Operation) => (operation.args as unknown as DetachArgs).portId;

async function hostOf(context: StepContext): Promise<{ hostId: string; hostname: string }> {
  const { id, host_id: hostId, host } = await context.instance();
  if (hostId === null) throw new CloudError('conflict', `Instance ${id} is on no host.`);
  return { hostId, hostname: host! };
}

/** What was asked for at the boot says whether the instance has ports at all: metadata and clean-up go by it. */
async function noteNetworks(trx: Transaction<ComputeDb>, operation: Operation, change: (networks: RequestedNetwork[]) => RequestedNetwork[]): Promise<void> {
  const row = await trx.selectFrom('instances').select('requested_networks_json').where('id', '=', operation.instanceId).executeTakeFirstOrThrow();
  await settle(trx, operation, { requested_networks_json: JSON.stringify(change(JSON.parse(row.requested_networks_json) as RequestedNetwork[])) });
}

export const attachInterface: Workflow = {
  kind: 'attach-interface',
  steps: [
    {
      name: 'allocate_port',
      timeoutMs: 60_000,
      async do(context) {
        const row = await context.instance();
        const { port } = await context.neighbours.network.attachPort({
          actor: context.operation.actor, instanceId: row.id, availabilityZone: row.availability_zone ?? 'nova', ...attachArgs(context.operation),
        });
        return { port, hostname: row.host };
      },
      async undo(context) {
        await context.neighbours.network.releasePort({ instanceId: context.operation.instanceId, portId: portIdOf(context.operation) });
      },
    },
    {
      name: 'bind_port',
      timeoutMs: 60_000,
      async do(context) {
        const { ports } = await context.neighbours.network.bindPorts({ instanceId: context.operation.instanceId, ...(await hostOf(context)) });
        const port = ports.find(({ portId }) => portId === portIdOf(context.operation));
        if (!port) throw new CloudError('conflict', `Port ${portIdOf(context.operation)} was taken away while it was attached.`);
        return { port };
      },
    },
    {
      name: 'attach_on_host',
      timeoutMs: 120_000,
      async do(context) {
        const { hostId } = await hostOf(context);
        await context.command(hostId, 'attachNic', { port: context.data.port as InstancePort });
      },
      async undo(context) {
        const { hostId } = await hostOf(context);
        await context.command(hostId, 'detachNic', { portId: portIdOf(context.operation) });
      },
    },
  ],
  async succeeded(trx, operation) {
    await noteNetworks(trx, operation, (networks) => [...networks, { portId: portIdOf(operation) }]);
  },
  failed: (trx, operation, failure) => giveBack(trx, operation, failure),
};

export const detachInterface: Workflow = {
  kind: 'detach-interface',
  steps: [
    {
      name: 'detach_on_host',
      timeoutMs: 120_000,
      async do(context) {
        const { hostId, hostname } = await hostOf(context);
        await context.command(hostId, 'detachNic', { portId: detachedPort(context.operation) });
        return { hostname };
      },
    },
    {
      name: 'release_port',
      timeoutMs: 120_000,
      async do(context) {
        await context.neighbours.network.releasePort({ instanceId: context.operation.instanceId, portId: detachedPort(context.operation) });
      },
    },
  ],
  async succeeded(trx, operation) {
    await noteNetworks(trx, operation, (networks) => networks.filter(({ portId }) => portId !== detachedPort(operation)));
  },
  failed: (trx, operation, failure) => giveBack(trx, operation, failure),
};
