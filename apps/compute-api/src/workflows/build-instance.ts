import type { BuildSpec, ImageFacts, InstancePort, RequestedNetwork } from '@virga/contracts';
import type { ServerFlavor } from '../servers/server-row';
import { aggregateHosts } from '../aggregates/aggregate-hosts';
import { groupClaim } from '../server-groups/server-group.repository';
import { dbNow } from '../db/time';
import type { OperationFailure } from '../operations/operation';
import type { StepContext, Workflow } from '../operations/workflow';
import { instanceSpec } from './instance-spec';
import { unlessHostsMayReturn } from './hosts-may-return';
import { noValidHostMessage, recordFault } from './record-fault';

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
  kernelImage?: ImageFacts;
  ramdiskImage?: ImageFacts;
}

const GIB = 1024 ** 3;
const ATTEMPTS = 3;

/** What the instance takes of a host; a flavor without root disk takes the image's own size. Disk in GB. */
export function resourcesOf(flavor: ServerFlavor, image: ImageFacts): { vcpus: number; memoryMb: number; diskGb: number } {
  const rootGb = flavor.disk > 0 ? flavor.disk : Math.ceil((image.virtualSizeBytes ?? image.sizeBytes) / GIB);
  return { vcpus: flavor.vcpus, memoryMb: flavor.ram, diskGb: rootGb + flavor.ephemeral + Math.ceil(flavor.swap / 1024) };
}

const argsOf = ({ operation }: StepContext) => operation.args as unknown as BuildArgs;

/** Hosts of the project's own servers; others' are not told apart by hints. */
async function hostsOf({ db, operation }: StepContext, serverIds: string[]): Promise<string[]> {
  if (serverIds.length === 0) return [];
  const rows = await db.selectFrom('instances').select('host_id').distinct().where('id', 'in', serverIds).where('project_id', '=', operation.actor.projectId ?? '')
    .where('host_id', 'is not', null).execute();
  return rows.map((row) => row.host_id!);
}

async function buildSpec(context: StepContext): Promise<BuildSpec> {
  return instanceSpec(await context.instance(), (context.data.ports as InstancePort[] | undefined) ?? [], argsOf(context));
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
        if (networks.length === 0) return { ports: [] };
        const { ports } = await context.neighbours.network.allocatePorts({
          actor: context.operation.actor, instanceId: row.id, hostname: row.hostname, availabilityZone: availabilityZone ?? 'nova', networks, securityGroupIds,
        });
        return { ports };
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
        const { availabilityZone, requestedHost, skipFilters, sameHostAs, differentHostFrom } = argsOf(context);
        const { hostId, hostname } = await context.neighbours.placement.claim({
          consumerId: row.id,
          projectId: row.project_id,
          resources: resourcesOf(JSON.parse(row.flavor_json) as ServerFlavor, JSON.parse(row.image_json) as ImageFacts),
          ...(availabilityZone !== undefined && { availabilityZone }),
          ...(await aggregateHosts(context.db, { projectId: row.project_id, extraSpecs: (JSON.parse(row.flavor_json) as ServerFlavor).extra_specs })),
          ...(await groupClaim(context.db, row.id, { force: skipFilters ?? false })),
          ...(requestedHost !== undefined && { requestedHost }),
          ...(skipFilters && { skipFilters }),
          ...(sameHostAs && { affinityHostIds: await hostsOf(context, sameHostAs) }),
          ...(differentHostFrom && { antiAffinityHostIds: await hostsOf(context, differentHostFrom) }),
          excludeHostIds: (context.data.failedHostIds as string[] | undefined) ?? [],
        }).catch((error: unknown) => { throw unlessHostsMayReturn(error, context.operation.tries); });
        const zone = await context.db.selectFrom('hosts').select('availability_zone').where('id', '=', hostId).executeTakeFirst();
        await context.updateInstance({ host_id: hostId, host: hostname, availability_zone: zone?.availability_zone ?? 'nova', task_state: 'networking', state_changed_at: dbNow });
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
        await context.updateInstance({ task_state: 'spawning', state_changed_at: dbNow });
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
  retry: {
    from: 'claim_host',
    attempts: ATTEMPTS,
    note: (data, failure) => ({
      ...data,
      failedHostIds: [...((data.failedHostIds as string[] | undefined) ?? []), ...(data.hostId ? [data.hostId as string] : [])],
      failures: [...((data.failures as unknown[] | undefined) ?? []), { host: data.hostname ?? null, message: failure.message }],
    }),
  },
  async succeeded(trx, { instanceId, generation, data }) {
    const powerState = (data.result as { powerState?: unknown } | null)?.powerState;
    await trx.updateTable('instances')
      .set({ vm_state: 'active', task_state: null, power_state: typeof powerState === 'number' ? powerState : 1, launched_at: dbNow, updated_at: dbNow, state_changed_at: dbNow, admin_pass: null })
      .where('id', '=', instanceId).where('generation', '=', generation).execute();
  },
  async failed(trx, { instanceId, generation, data }, failure) {
    await trx.updateTable('instances').set({ vm_state: 'error', task_state: null, power_state: 0, updated_at: dbNow, state_changed_at: dbNow, admin_pass: null })
      .where('id', '=', instanceId).where('generation', '=', generation).execute();
    const failures = (data.failures as { host: string | null; message: string }[] | undefined) ?? [];
    await recordFault(trx, instanceId, { ...failure, details: { failures, cause: failure.details } }, faultMessage(instanceId, failure, failures));
  },
};

function faultMessage(instanceId: string, failure: OperationFailure, failures: { host: string | null; message: string }[]): string {
  if (failures.length === 0) return failure.type === 'NoValidHost' ? noValidHostMessage(failure) : failure.message;
  // As nova words it, and then what nova leaves to its logs.
  return `Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance ${instanceId}. Last failure: ${failures.at(-1)!.message}`;
}
