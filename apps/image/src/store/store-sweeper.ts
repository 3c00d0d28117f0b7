import { systemClock, type Logger } from '@virga/core';
import type { ImageRepository } from '../images/image.repository';
import type { FileStore } from './file-store';

const EVERY_MS = 30_000;
/** Younger files may belong to a transaction that is just being committed. */
const SETTLED_MS = 10 * 60_000;

/** Level-triggered repair of what a crash may leave: uploads without an owner, data without an image. */
export class StoreSweeper {
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly images: ImageRepository, private readonly store: FileStore, private readonly logger: Logger) {}

  start(): void {
    this.running = this.loop();
  }

  async stop(): Promise<void> {
    this.stopping.abort(new Error('stopping'));
    await this.running;
  }

  private async loop(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      await this.sweep().catch((error: unknown) => this.logger.warn({ err: error }, 'image sweep failed; trying again'));
      await systemClock.sleep(EVERY_MS, this.stopping.signal).catch(() => undefined);
    }
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
