import type { BuildSpec, ImageFacts, InstancePort } from '@virga/contracts';
import type { Kysely } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import type { InstanceRow } from '../operations/workflow';
import { instanceName, type ServerFlavor } from '../servers/server-row';

/** What a host must know to receive the instance. Kernel and ramdisk are those with which it was built. */
export async function guestSpec(db: Kysely<ComputeDb>, row: InstanceRow, ports: InstancePort[]): Promise<BuildSpec> {
  const flavor = JSON.parse(row.flavor_json) as ServerFlavor;
  const image = JSON.parse(row.image_json) as ImageFacts;
  const built = image.properties.kernel_id === undefined ? undefined : await db.selectFrom('operations').select('args_json').where('instance_id', '=', row.id).where('kind', '=', 'build-instance').executeTakeFirst();
  const { kernelImage, ramdiskImage } = JSON.parse(built?.args_json ?? '{}') as { kernelImage?: ImageFacts; ramdiskImage?: ImageFacts };
  return {
    instanceId: row.id, instanceName: instanceName(row.num), displayName: row.display_name, hostname: row.hostname, projectId: row.project_id, userId: row.user_id,
    flavor: { vcpus: flavor.vcpus, memoryMb: flavor.ram, rootGb: flavor.disk, ephemeralGb: flavor.ephemeral, swapMb: flavor.swap, extraSpecs: flavor.extra_specs },
    image, ...(kernelImage && { kernelImage }), ...(ramdiskImage && { ramdiskImage }), configDrive: row.config_drive !== 0, ports,
  };
}
