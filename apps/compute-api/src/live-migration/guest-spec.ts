import type { BuildSpec, ImageFacts, InstancePort } from '@virga/contracts';
import type { Kysely } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import type { InstanceRow } from '../operations/workflow';
import { instanceSpec } from '../workflows/instance-spec';

/** What a host must know to receive the instance. Kernel and ramdisk are those with which it was built. */
export async function guestSpec(db: Kysely<ComputeDb>, row: InstanceRow, ports: InstancePort[]): Promise<BuildSpec> {
  const { properties } = JSON.parse(row.image_json) as ImageFacts;
  const built = properties.kernel_id === undefined ? undefined : await db.selectFrom('operations').select('args_json').where('instance_id', '=', row.id).where('kind', '=', 'build-instance').executeTakeFirst();
  return instanceSpec(row, ports, JSON.parse(built?.args_json ?? '{}') as { kernelImage?: ImageFacts; ramdiskImage?: ImageFacts });
}
