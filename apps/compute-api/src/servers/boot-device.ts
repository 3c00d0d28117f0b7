import { badRequest } from '@virga/core';
import type { BlockDevice, CreateServerBody } from './create-server.schema';

const refuse = (why: string) => badRequest(`Block Device Mapping is Invalid: ${why}`);

function isImageOnLocalDisk(device: BlockDevice): boolean {
  return device.source_type === 'image' && (device.destination_type ?? 'local') === 'local' && Number(device.boot_index ?? -1) === 0 && !device.no_device;
}

/**
 * The image to boot from. Block devices are taken only in the one form that says the same as imageRef (clients send it
 * beside that); volumes, snapshots, blank disks and more than one device are refused, because they are not built.
 */
export function bootImage({ server }: CreateServerBody): string {
  if (server.block_device_mapping !== undefined && server.block_device_mapping.length > 0) throw refuse('volumes are not available in this cloud.');
  const devices = server.block_device_mapping_v2 ?? [];
  if (devices.length > 1) throw refuse('only the root disk can be given, everything else comes from the flavor.');
  const [device] = devices;
  if (device !== undefined && !isImageOnLocalDisk(device)) {
    throw refuse('only boot from an image on a local disk is available (source_type image, destination_type local, boot_index 0).');
  }
  const fromDevice = device?.uuid ?? device?.image_id;
  if (server.imageRef && fromDevice && server.imageRef !== fromDevice) throw refuse('boot sequence for the instance and image/block device mapping combination is not valid.');
  const image = server.imageRef || fromDevice;
  if (!image) throw badRequest('Missing imageRef attribute');
  return image;
}
