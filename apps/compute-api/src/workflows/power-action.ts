import { CloudError } from '@virga/core';
import type { HostVerb, ImageFacts } from '@virga/contracts';
import type { VmState } from '@virga/domain';
import { dbNow } from '../db/time';
import type { StepContext, Workflow } from '../operations/workflow';
import type { InstanceRow } from '../operations/workflow';
import { recordFault } from './record-fault';

export type PowerActionName = 'start' | 'stop' | 'rebootSoft' | 'rebootHard' | 'pause' | 'unpause' | 'suspend' | 'resume';

/** Seconds a guest has to react to the power button when its image does not say (nova's default). */
const SHUTDOWN_SECONDS = 60;
export const shutdownSeconds = (row: InstanceRow): number => {
  const told = Number((JSON.parse(row.image_json) as ImageFacts).properties.os_shutdown_timeout);
  return Number.isInteger(told) && told >= 0 && told <= 3600 ? told : SHUTDOWN_SECONDS;
};

interface PowerAction {
  verb: HostVerb;
  args?(row: InstanceRow): unknown;
  vmState: VmState;
  powerState: number;
}

/** What each action has the host do, and what the instance is after it. */
export const POWER_ACTIONS: Record<PowerActionName, PowerAction> = {
  start: { verb: 'start', vmState: 'active', powerState: 1 },
  stop: { verb: 'stop', args: (row) => ({ timeoutSeconds: shutdownSeconds(row) }), vmState: 'stopped', powerState: 4 },
  rebootSoft: { verb: 'reboot', args: (row) => ({ type: 'SOFT', timeoutSeconds: shutdownSeconds(row) }), vmState: 'active', powerState: 1 },
  rebootHard: { verb: 'reboot', args: () => ({ type: 'HARD', timeoutSeconds: 0 }), vmState: 'active', powerState: 1 },
  pause: { verb: 'pause', vmState: 'paused', powerState: 3 },
  unpause: { verb: 'unpause', vmState: 'active', powerState: 1 },
  suspend: { verb: 'suspend', vmState: 'suspended', powerState: 4 },
  resume: { verb: 'resume', vmState: 'active', powerState: 1 },
};

const actionOf = ({ operation }: Pick<StepContext, 'operation'>): PowerAction => POWER_ACTIONS[operation.args.action as PowerActionName];

export const powerAction: Workflow = {
  kind: 'power-action',
  steps: [
    {
      name: 'command_host',
      timeoutMs: 300_000,
      async do(context) {
        const row = await context.instance();
        if (row.host_id === null) throw new CloudError('conflict', `Instance ${row.id} is on no host.`);
        const { verb, args } = actionOf(context);
        return { hostname: row.host, result: await context.command(row.host_id, verb, (args?.(row) ?? {}) as never) };
      },
    },
  ],
  async succeeded(trx, operation) {
    const { vmState, powerState } = actionOf({ operation });
    const told = (operation.data.result as { powerState?: unknown } | null)?.powerState;
    await trx.updateTable('instances')
      .set({ vm_state: vmState, task_state: null, power_state: typeof told === 'number' ? told : powerState, updated_at: dbNow, state_changed_at: dbNow })
      .where('id', '=', operation.instanceId).where('generation', '=', operation.generation).execute();
  },
  async failed(trx, { instanceId, generation }, failure) {
    await trx.updateTable('instances').set({ task_state: null, updated_at: dbNow, state_changed_at: dbNow })
      .where('id', '=', instanceId).where('generation', '=', generation).execute();
    await recordFault(trx, instanceId, failure);
  },
};
