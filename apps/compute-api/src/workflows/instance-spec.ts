import type { BuildSpec, ImageFacts, InstancePort } from '@virga/contracts';
import { instanceName, type ServerFlavor } from '../servers/server-row';
import type { InstanceRow } from '../operations/workflow';

/** Images that an AMI-like image names beside itself. */
export interface BootImages { kernelImage?: ImageFacts; ramdiskImage?: ImageFacts }

/** The instance as a host has to make it. */
export function instanceSpec(row: InstanceRow, ports: InstancePort[]): BuildSpec {
  const { kernelImage, ramdiskImage } = JSON.parse(row.boot_images_json ?? '{}') as BootImages;
  const flavor = JSON.parse(row.flavor_json) as ServerFlavor;
  return {
    instanceId: row.id,
    instanceName: instanceName(row.num),
    displayName: row.display_name,
    hostname: row.hostname,
    projectId: row.project_id,
    userId: row.user_id,
    flavor: {
      vcpus: flavor.vcpus, memoryMb: flavor.ram, rootGb: flavor.disk, ephemeralGb: flavor.ephemeral, swapMb: flavor.swap, extraSpecs: flavor.extra_specs,
    },
    image: JSON.parse(row.image_json) as ImageFacts,
    ...(kernelImage && { kernelImage }),
    ...(ramdiskImage && { ramdiskImage }),
    configDrive: row.config_drive !== 0,
    ports,
  };
}
