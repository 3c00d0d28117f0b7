import { imageContract, type ImageFacts } from '@virga/contracts';
import { newUuid, notFound } from '@virga/core';
import type { Bus } from '@virga/rpc';

/** Images' facts and tickets, without data. */
export class FakeImages {
  readonly images = new Map<string, ImageFacts>();

  add(facts: Partial<ImageFacts> = {}): string {
    const id = facts.id ?? newUuid();
    this.images.set(id, {
      id, name: 'tiny', status: 'active', diskFormat: 'qcow2', containerFormat: 'bare', sizeBytes: 1_000_000, virtualSizeBytes: 10_000_000, sha512: 'ab'.repeat(64),
      minDisk: 0, minRam: 0, properties: {}, ...facts,
    });
    return id;
  }

  async serve(bus: Bus): Promise<void> {
    const find = (imageId: string) => {
      const image = this.images.get(imageId);
      if (!image) throw notFound(`No image found with ID ${imageId}`);
      return image;
    };
    await bus.serve(imageContract, {
      get: async ({ imageId }) => find(imageId),
      issueDownloadTicket: async ({ imageId }) => {
        const { sizeBytes, sha512, diskFormat } = find(imageId);
        return { url: `http://127.0.0.1:9293/images/${imageId}`, ticket: newUuid(), expiresAt: Date.now() + 60_000, sizeBytes, sha512, diskFormat };
      },
      createForSnapshot: async ({ imageId: id, name, diskFormat, containerFormat, minDisk, minRam, properties }) => {
        if (!this.images.has(id)) this.add({ id, name, status: 'queued', diskFormat, containerFormat, sizeBytes: 0, virtualSizeBytes: null, sha512: '', minDisk, minRam, properties });
        return find(id);
      },
      issueUploadTicket: async ({ imageId, maxBytes }) => ({
        url: `http://127.0.0.1:9293/data/${imageId}`, ticket: newUuid(), expiresAt: Date.now() + 60_000, maxBytes, stored: find(imageId).status === 'active',
      }),
      dropOldBackups: async ({ instanceId, backupType, keep }) => {
        const backups = [...this.images.values()].filter(({ status, properties }) => status === 'active' && properties.instance_uuid === instanceId && properties.backup_type === backupType);
        const removed = backups.reverse().slice(keep).map(({ id }) => id);
        for (const id of removed) this.images.delete(id);
        return { removed };
      },
      discardSnapshot: async ({ imageId }) => ({ removed: this.images.get(imageId)?.status === 'queued' && this.images.delete(imageId) }),
    });
  }
}
