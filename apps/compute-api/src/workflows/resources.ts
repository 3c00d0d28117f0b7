import type { ImageFacts } from '@virga/contracts';
import type { ServerFlavor } from '../servers/server-row';

const GIB = 1024 ** 3;

/** What the instance takes of a host; a flavor without root disk takes the image's own size. Disk in GB. */
export function resourcesOf(flavor: ServerFlavor, image: ImageFacts): { vcpus: number; memoryMb: number; diskGb: number } {
  const rootGb = flavor.disk > 0 ? flavor.disk : Math.ceil((image.virtualSizeBytes ?? image.sizeBytes) / GIB);
  return { vcpus: flavor.vcpus, memoryMb: flavor.ram, diskGb: rootGb + flavor.ephemeral + Math.ceil(flavor.swap / 1024) };
}
