import { badRequest, CloudError, type ActorRef } from '@virga/core';
import type { ImageFacts } from '@virga/contracts';
import type { Flavor } from '../flavors/flavor.repository';
import type { BootImages } from '../workflows/instance-spec';
import type { Neighbours } from '../tokens';

const GIB = 1024 ** 3;

/** The image as the actor sees it; 400 when it cannot be booted. */
export async function requestedImage({ image }: Neighbours, actor: ActorRef, imageId: string, missing = 'Can not find requested image'): Promise<ImageFacts> {
  let facts: ImageFacts;
  try {
    facts = await image.get({ actor, imageId });
  } catch (error) {
    if (error instanceof CloudError && (error.kind === 'notFound' || error.kind === 'forbidden' || error.kind === 'badRequest')) throw badRequest(missing);
    throw error;
  }
  if (facts.status !== 'active') throw badRequest(`Image ${imageId} is not active.`);
  return facts;
}

/** 400 when the flavor's memory or disk is too small for the image, with the two figures. */
export function checkImageFits(image: ImageFacts, flavor: Pick<Flavor, 'memory_mb' | 'root_gb'>): void {
  if (flavor.memory_mb < image.minRam) throw badRequest("Flavor's memory is too small for requested image.");
  // A flavor without root disk takes whatever the image needs.
  if (flavor.root_gb === 0) return;
  const disk = flavor.root_gb * GIB;
  const size = image.virtualSizeBytes ?? image.sizeBytes;
  if (size > disk) throw badRequest(`Flavor's disk is too small for requested image. Flavor disk is ${disk} bytes, image is ${size} bytes.`);
  if (image.minDisk > flavor.root_gb) {
    throw badRequest(`Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is ${disk} bytes, minimum size is ${image.minDisk * GIB} bytes.`);
  }
}

/** The images that an AMI-like image names as its kernel and ramdisk. */
export async function kernelAndRamdisk(neighbours: Neighbours, actor: ActorRef, image: ImageFacts): Promise<BootImages> {
  const { kernel_id: kernel, ramdisk_id: ramdisk } = image.properties;
  const find = (id: string) => requestedImage(neighbours, actor, id, `Image ${id} could not be found.`);
  return {
    ...(kernel && { kernelImage: await find(kernel) }),
    ...(ramdisk && { ramdiskImage: await find(ramdisk) }),
  };
}
