import type { InstancePort } from '@virga/contracts';
import { CloudError } from '@virga/core';
import { dbNow } from '../db/time';
import type { Workflow } from '../operations/workflow';
import { instanceSpec } from './instance-spec';
import { giveBack, settle, toldPowerState } from './settle';

/** What POST rebuild has settled; all else is in the instance's row already. */
export interface RebuildArgs {
  preserveEphemeral: boolean;
  /** False for a server that was off: it is off again afterwards. */
  start: boolean;
}

/** New disks in the same place: host, ports and addresses stay. Once the old disk may be gone there is no way back. */
export const rebuildInstance: Workflow = {
  kind: 'rebuild-instance',
  steps: [
    {
      name: 'find_ports',
      timeoutMs: 60_000,
      async do(context) {
        const row = await context.instance();
        const { ports } = await context.neighbours.network.instancePorts({ instanceId: row.id });
        await context.updateInstance({ task_state: 'rebuild_spawning' });
        return { ports, hostname: row.host };
      },
    },
    {
      name: 'rebuild_on_host',
      timeoutMs: 1_200_000,
      async do(context) {
        const row = await context.instance();
        if (row.host_id === null) throw new CloudError('conflict', `Instance ${row.id} is on no host.`);
        const { preserveEphemeral, start } = context.operation.args as unknown as RebuildArgs;
        const spec = instanceSpec(row, context.data.ports as InstancePort[]);
        return { result: await context.command(row.host_id, 'rebuild', { spec, preserveEphemeral, start }) };
      },
    },
  ],
  async succeeded(trx, operation) {
    const { start } = operation.args as unknown as RebuildArgs;
    await settle(trx, operation, {
      vm_state: start ? 'active' : 'stopped', power_state: toldPowerState(operation.data.result) ?? (start ? 1 : 4), launched_at: dbNow, admin_pass: null,
    });
  },
  failed: (trx, operation, failure) => giveBack(trx, operation, failure, { vm_state: 'error', admin_pass: null }),
};
