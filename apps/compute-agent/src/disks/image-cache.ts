import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { CloudError, errorMessage, internalError, unavailable, type Logger } from '@virga/core';
import { ImageRefused, inspectImage } from '@virga/domain';
import type { ImageFacts } from '@virga/contracts';

export interface DownloadTicket { url: string; ticket: string; sizeBytes: number; sha512: string; diskFormat: string }
export interface CachedImage { path: string; format: 'qcow2' | 'raw' }

/** What QEMU may open as a disk, and how. All others are refused: their tables would have to be trusted. */
const BOOTABLE: Record<string, CachedImage['format']> = { qcow2: 'qcow2', raw: 'raw', ami: 'raw', aki: 'raw', ari: 'raw', iso: 'raw' };
const PART = '.part';

/** File name of an image in the cache; undefined for one that cannot be there. */
export const cachedName = ({ sha512, diskFormat }: ImageFacts): string | undefined =>
  BOOTABLE[diskFormat] && `${sha512.slice(0, 64)}.${BOOTABLE[diskFormat]}`;

/**
 * Base images of this host, named by the SHA-512 of their content: one download an image, however many guests start at
 * once, verified and inspected before anything opens it.
 */
export class ImageCache {
  private readonly running = new Map<string, Promise<CachedImage>>();

  constructor(
    private readonly dir: string,
    private readonly requestTicket: (imageId: string) => Promise<DownloadTicket>,
    private readonly logger: Logger,
  ) {}

  /** Makes the directory and clears away downloads that a crash cut off. */
  async prepare(): Promise<void> {
    await mkdir(this.dir, { recursive: true, mode: 0o700 });
    for (const file of await readdir(this.dir)) if (file.endsWith(PART)) await rm(join(this.dir, file), { force: true });
  }

  /** The image on this host's disk. Throws when its data is not what the image service says it is. */
  ensure(image: ImageFacts): Promise<CachedImage> {
    const format = BOOTABLE[image.diskFormat];
    if (!format) return Promise.reject(new CloudError('badRequest', `Images of format ${image.diskFormat} cannot be booted here.`));
    if (!/^[0-9a-f]{128}$/.test(image.sha512)) return Promise.reject(new CloudError('badRequest', `Image ${image.id} has no data.`));
    const name = cachedName(image)!;
    let work = this.running.get(name);
    if (!work) {
      work = this.obtain(image, name, format).finally(() => this.running.delete(name));
      this.running.set(name, work);
    }
    return work;
  }

  /** Names of the images that are here whole. */
  async list(): Promise<string[]> {
    return (await readdir(this.dir)).filter((file) => !file.endsWith(PART)).sort();
  }

  /** Removes images that no instance names and that were not used for `idleMs`. */
  async sweep(inUse: ReadonlySet<string>, idleMs: number): Promise<string[]> {
    const removed: string[] = [];
    for (const file of await readdir(this.dir)) {
      const path = join(this.dir, file);
      const { mtimeMs } = await stat(path);
      if (file.endsWith(PART) || inUse.has(path) || this.running.has(file) || Date.now() - mtimeMs < idleMs) continue;
      await rm(path, { force: true });
      removed.push(file);
    }
    return removed;
  }

  private async obtain(image: ImageFacts, name: string, format: CachedImage['format']): Promise<CachedImage> {
    const path = join(this.dir, name);
    const present = await stat(path).catch(() => undefined);
    if (present?.size === image.sizeBytes) {
      await utimes(path, new Date(), new Date());
      return { path, format };
    }
    const part = `${path}${PART}`;
    try {
      await this.download(image, part);
      await this.inspect(image, part);
      await rename(part, path);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
    this.logger.info({ imageId: image.id, bytes: image.sizeBytes }, 'image fetched');
    return { path, format };
  }

  private async download(image: ImageFacts, part: string): Promise<void> {
    const { url, ticket } = await this.requestTicket(image.id);
    const answer = await fetch(url, { headers: { authorization: `Ticket ${ticket}` } }).catch((error: unknown) => {
      throw unavailable(`The image service cannot be reached: ${errorMessage(error)}`);
    });
    if (!answer.ok || !answer.body) throw unavailable(`The image service answered ${answer.status} for image ${image.id}.`);
    const hash = createHash('sha512');
    const file = await open(part, 'w', 0o600);
    let size = 0;
    try {
      for await (const chunk of Readable.fromWeb(answer.body as never) as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > image.sizeBytes) throw internalError(`Image ${image.id} is larger than the image service says.`);
        hash.update(chunk);
        await file.write(chunk);
      }
      await file.datasync();
    } catch (error) {
      if (error instanceof CloudError) throw error;
      throw (error as NodeJS.ErrnoException).code === 'ENOSPC' ? internalError('No space is left on the host for the image.') : unavailable(`The image was not received whole: ${errorMessage(error)}`);
    } finally {
      await file.close();
    }
    if (size !== image.sizeBytes) throw unavailable(`Image ${image.id} was cut off after ${size} of ${image.sizeBytes} bytes.`);
    if (hash.digest('hex') !== image.sha512) throw internalError(`The checksum of image ${image.id} is wrong: its data is damaged.`);
  }

  /** The image service has inspected it too; a host believes nobody. */
  private async inspect(image: ImageFacts, part: string): Promise<void> {
    const file = await open(part, 'r');
    try {
      const read = async (offset: number, length: number) => {
        const buffer = Buffer.alloc(length);
        return buffer.subarray(0, (await file.read(buffer, 0, length, offset)).bytesRead);
      };
      await inspectImage({ size: image.sizeBytes, read }, image.diskFormat, { maxVirtualBytes: Number.MAX_SAFE_INTEGER });
    } catch (error) {
      throw error instanceof ImageRefused ? internalError(`Image ${image.id} was refused: ${error.message}`) : error;
    } finally {
      await file.close();
    }
  }
}
