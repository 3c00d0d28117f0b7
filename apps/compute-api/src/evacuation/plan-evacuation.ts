import type { ActorRef } from '@virga/core';
import { createMigration } from '../migrations/migration.repository';
import type { OperationPlan } from '../operations/begin-on-instance';
import type { InstanceRow } from '../operations/workflow';
import type { ServerFlavor } from '../servers/server-row';
import type { EvacuateArgs } from '../workflows/evacuate-instance';

/** What an evacuation begins with, whoever wants it: the migration's row in the transaction that starts it. */
export function planEvacuation(row: InstanceRow, actor: ActorRef, args: EvacuateArgs): OperationPlan {
  const flavor = JSON.parse(row.flavor_json) as ServerFlavor;
  return {
    kind: 'evacuate-instance', args: { ...args },
    async also(trx, operationId) {
      await createMigration(trx, {
        type: 'evacuation', status: 'accepted', instanceId: row.id, actor, source: { hostId: row.host_id!, hostname: row.host! }, oldFlavor: flavor.flavorid, operationId,
        cold: { oldFlavor: flavor, newFlavor: flavor, vmState: row.vm_state },
      });
    },
  };
}
