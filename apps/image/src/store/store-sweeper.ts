import { PeriodicWork, type Logger } from '@virga/core';
import type { ImageRepository } from '../images/image.repository';
import type { FileStore } from './file-store';

const EVERY_MS = 30_000;
/** Younger files may belong to a transaction that is just being committed. */
const SETTLED_MS = 10 * 60_000;

/** Level-triggered repair of what a crash may leave: uploads without an owner, data without an image. */
export class StoreSweeper extends PeriodicWork {
  constructor(private readonly images: ImageRepository, private readonly store: FileStore, logger: Logger) {
    super({ everyMs: EVERY_MS, failed: 'image sweep failed; trying again' }, logger);
  }

  protected async work(): Promise<void> {
    await this.sweep();
  }

  async sweep(settledMs = SETTLED_MS): Promise<{ released: number; removed: number }> {
    const released = await this.images.releaseDeadUploads();
    const old = (await this.store.list()).filter((entry) => entry.ageMs >= settledMs);
    let removed = 0;
    for (const { file, imageId, part } of old) {
      const image = await this.images.find(imageId);
      const wanted = part ? image?.upload_token != null && file === `${imageId}.${image.upload_token}.part` : image !== undefined;
      if (wanted) continue;
      await this.store.removeFile(file);
      removed++;
    }
    if (released + removed > 0) this.logger.info({ released, removed }, 'image sweep repaired');
    return { released, removed };
  }
}
