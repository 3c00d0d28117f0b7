import type { imageContract, ImageFacts } from '@virga/contracts';
import { conflict, type ActorRef } from '@virga/core';
import type { Handlers } from '@virga/rpc';
import type { ImageConfig } from './config';
import { imageNotFound, type ImageRepository, type ImageRow } from './images/image.repository';
import { createForSnapshot } from './images/create-for-snapshot';
import type { FileStore } from './store/file-store';
import type { DownloadTickets } from './tickets/download-tickets';
import type { UploadTickets } from './tickets/upload-tickets';

/** Long enough for a large image over a slow link to be begun; the transfer itself may take longer. */
const TICKET_LIFE_MS = 10 * 60_000;

const facts = (image: ImageRow): ImageFacts => ({
  id: image.id, name: image.name, status: image.status,
  diskFormat: image.disk_format ?? '', containerFormat: image.container_format ?? '',
  sizeBytes: image.size ?? 0, virtualSizeBytes: image.virtual_size, sha512: image.os_hash_value ?? '',
  minDisk: image.min_disk, minRam: image.min_ram, properties: image.properties,
});

/** What compute and the conductor ask of image over the bus. */
export function imageHandlers(parts: { images: ImageRepository; store: FileStore; downloads: DownloadTickets; uploads: UploadTickets; config: ImageConfig }): Handlers<typeof imageContract> {
  const { images, store, downloads, uploads, config } = parts;
  const visible = async (actor: ActorRef, id: string): Promise<ImageRow> => {
    const image = await images.find(id);
    if (!image) throw imageNotFound(id);
    const seen = actor.roles.includes('admin') || image.visibility === 'public' || image.visibility === 'community'
      || (actor.projectId !== null && (image.owner === actor.projectId
        || (image.visibility === 'shared' && (await images.memberStatus(id, actor.projectId)) !== undefined)));
    if (!seen) throw imageNotFound(id);
    return image;
  };
  return {
    get: async ({ actor, imageId }) => facts(await visible(actor, imageId)),
    issueDownloadTicket: async ({ imageId, hostId }) => {
      const image = await images.find(imageId);
      if (!image) throw imageNotFound(imageId);
      if (image.status !== 'active' && image.status !== 'deactivated') throw conflict(`Image ${imageId} is ${image.status}.`);
      const expiresAt = Date.now() + TICKET_LIFE_MS;
      return {
        url: `${config.VIRGA_IMAGE_DATA_URL}/data/${imageId}`, ticket: downloads.issue({ imageId, hostId, expiresAt }), expiresAt,
        sizeBytes: image.size!, sha512: image.os_hash_value!, diskFormat: image.disk_format!,
      };
    },
    createForSnapshot: async (given) => facts(await createForSnapshot(images, given)),
    issueUploadTicket: async ({ imageId, hostId, maxBytes: asked }) => {
      const image = await images.find(imageId);
      if (!image) throw imageNotFound(imageId);
      const stored = image.status === 'active' || image.status === 'deactivated';
      if (!stored && image.status !== 'queued') throw conflict(`Image ${imageId} is ${image.status}.`, { retryable: true });
      const expiresAt = Date.now() + TICKET_LIFE_MS;
      const maxBytes = Math.min(asked, config.VIRGA_IMAGE_SIZE_CAP);
      return { url: `${config.VIRGA_IMAGE_DATA_URL}/data/${imageId}`, ticket: stored ? '' : uploads.issue({ imageId, hostId, expiresAt, maxBytes }), expiresAt, maxBytes, stored };
    },
    dropOldBackups: async ({ ownerId, instanceId, backupType, keep }) => {
      const old = (await images.backupsOf(ownerId, instanceId, backupType)).slice(keep);
      const removed: string[] = [];
      for (const id of old) {
        if (!(await images.delete(id))) continue;
        await store.remove(id);
        removed.push(id);
      }
      return { removed };
    },
    discardSnapshot: async ({ imageId }) => {
      // An upload that still runs finds its image gone and removes its own part.
      const removed = await images.deleteUnfinished(imageId);
      if (removed) await store.remove(imageId);
      return { removed };
    },
  };
}
