import type { BuildSpec, InstancePort, RequestedNetwork } from '@virga/contracts';
import type { ServerFlavor } from '../servers/server-row';
import { dbNow } from '../db/time';
import type { StepContext, Workflow } from '../operations/workflow';
import { claimHost } from './claim-host';
import { zoneOf } from './cold-move';
import { instanceSpec } from './instance-spec';
import { settle, toldPowerState } from './settle';
import { failedAttempts, recordAttempts, tryElsewhere } from './try-elsewhere';

/** What POST /servers has settled for the build. */
export interface BuildArgs {
  networks: RequestedNetwork[];
  securityGroupIds: string[];
  availabilityZone?: string;
  requestedHost?: string;
  /** Only capacity may refuse the requested host. */
  skipFilters?: boolean;
  /** Servers on whose hosts it must be, or must not be. */
  sameHostAs?: string[];
  differentHostFrom?: string[];
}

const argsOf = ({ operation }: StepContext) => operation.args as unknown as BuildArgs;

async function buildSpec(context: StepContext): Promise<BuildSpec> {
  return instanceSpec(await context.instance(), (context.data.ports as InstancePort[] | undefined) ?? []);
}

export const buildInstance: Workflow = {
  kind: 'build-instance',
  steps: [
    {
      // Before the placement: ports outlive a failed host, so that the second one gets the same addresses.
      name: 'allocate_ports',
      timeoutMs: 120_000,
      async do(context) {
        const row = await context.instance();
        const { networks, securityGroupIds, availabilityZone } = argsOf(context);
        if (networks.length === 0) return;
        await context.neighbours.network.allocatePorts({
          actor: context.operation.actor, instanceId: row.id, hostname: row.hostname, availabilityZone: availabilityZone ?? 'nova', networks, securityGroupIds,
        });
      },
      async undo(context) {
        if (argsOf(context).networks.length > 0) await context.neighbours.network.releasePorts({ instanceId: context.operation.instanceId });
      },
    },
    {
      name: 'claim_host',
      timeoutMs: 120_000,
      async do(context) {
        const row = await context.instance();
        const { availabilityZone, requestedHost, skipFilters = false, sameHostAs, differentHostFrom } = argsOf(context);
        const { hostId, hostname } = await claimHost(context, row, {
          consumerId: row.id, flavor: JSON.parse(row.flavor_json) as ServerFlavor, host: requestedHost, availabilityZone, skipFilters, forceGroup: skipFilters, sameHostAs, differentHostFrom,
        });
        context.updateWhenDone({ host_id: hostId, host: hostname, availability_zone: zoneOf(hostId), task_state: 'networking', state_changed_at: dbNow });
        return { hostId, hostname };
      },
      async undo(context) {
        await context.neighbours.placement.release({ consumerId: context.operation.instanceId });
        await context.updateInstance({ host_id: null, host: null, availability_zone: null, task_state: 'scheduling', state_changed_at: dbNow });
        await context.remember({ hostId: null, hostname: null });
      },
    },
    {
      name: 'bind_ports',
      timeoutMs: 120_000,
      async do(context) {
        const { hostId, hostname } = context.data as { hostId: string; hostname: string };
        const bound = argsOf(context).networks.length === 0
          ? {}
          : { ports: (await context.neighbours.network.bindPorts({ instanceId: context.operation.instanceId, hostId, hostname })).ports };
        context.updateWhenDone({ task_state: 'spawning', state_changed_at: dbNow });
        return bound;
      },
    },
    {
      name: 'build_on_host',
      timeoutMs: 1_200_000,
      async do(context) {
        const { hostId } = context.data as { hostId: string };
        return { result: await context.command(hostId, 'build', await buildSpec(context)) };
      },
      async undo(context) {
        const { hostId } = context.data as { hostId: string };
        await context.command(hostId, 'destroy', {});
      },
    },
  ],
  retry: tryElsewhere('claim_host', 'hostId', 'hostname'),
  async succeeded(trx, operation) {
    await settle(trx, operation, { vm_state: 'active', power_state: toldPowerState(operation.data.result) ?? 1, launched_at: dbNow, admin_pass: null });
  },
  async failed(trx, operation, failure) {
    await settle(trx, operation, { vm_state: 'error', power_state: 0, admin_pass: null });
    const last = failedAttempts(operation.data).at(-1);
    // As nova words it, and then what nova leaves to its logs.
    await recordAttempts(trx, operation, failure, last && `Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance ${operation.instanceId}. Last failure: ${last.message}`);
  },
};
