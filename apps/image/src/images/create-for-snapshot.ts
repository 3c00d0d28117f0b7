import { badRequest, conflict, forbidden, type ActorRef } from '@virga/core';
import { checkInput, FAULT_STYLES } from '@virga/rest';
import { checkPropertyNames } from './create-image';
import type { ImageRepository, ImageRow } from './image.repository';
import { CreateImage, WRITABLE } from './image.schema';

export interface SnapshotImage {
  actor: ActorRef; imageId: string; ownerId: string; name: string; diskFormat: string; containerFormat: string;
  minDisk: number; minRam: number; properties: Record<string, string>;
}

/** Who may add an image to the project, by the same rule as over the API (`add_image`). */
const mayAdd = ({ roles, projectId }: ActorRef, ownerId: string): boolean => roles.includes('admin') || (projectId === ownerId && roles.includes('member'));

/** Registers a private, queued image under the given id; a repeat answers the image that is there. */
export async function createForSnapshot(images: ImageRepository, given: SnapshotImage): Promise<ImageRow> {
  const { actor, imageId, ownerId, name, diskFormat, containerFormat, minDisk, minRam, properties } = given;
  if (!mayAdd(actor, ownerId)) throw forbidden('You are not authorized to complete add_image action.');
  const taken = Object.keys(properties).find((name) => name === 'id' || Object.hasOwn(WRITABLE, name));
  if (taken !== undefined) throw badRequest(`A property cannot be named '${taken}'.`);
  checkPropertyNames(Object.keys(properties));
  checkInput(CreateImage, { id: imageId, owner: ownerId, name, disk_format: diskFormat, container_format: containerFormat, min_disk: minDisk, min_ram: minRam, ...properties }, FAULT_STYLES.image);
  const now = new Date();
  const id = imageId.toLowerCase();
  await images.insertOnce({
    id, name, owner: ownerId, status: 'queued', visibility: 'private', disk_format: diskFormat, container_format: containerFormat,
    size: null, virtual_size: null, checksum: null, os_hash_value: null, min_disk: minDisk, min_ram: minRam, protected: 0, os_hidden: 0,
    properties: JSON.stringify(properties), tags: '[]', upload_token: null, upload_lease: null, created_at: now, updated_at: now,
  });
  const image = await images.find(id);
  if (image?.owner !== ownerId) throw conflict(`Image ID ${imageId} already exists!`);
  return image;
}
