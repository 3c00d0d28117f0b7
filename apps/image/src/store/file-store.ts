import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { CloudError } from '@virga/core';
import type { ByteSource } from '@virga/domain';

export interface StoredUpload { size: number; md5: string; sha512: string }

/** Image data as files `<image id>` in one directory; an upload in work is `<image id>.<token>.part`. */
export class FileStore {
  constructor(private readonly dir: string) {}

  async prepare(): Promise<void> {
    await mkdir(this.dir, { recursive: true, mode: 0o700 });
  }

  private partPath(imageId: string, token: string): string {
    return join(this.dir, `${imageId}.${token}.part`);
  }

  private path(imageId: string): string {
    return join(this.dir, imageId);
  }

  /** Streams the data to a part file, counting and hashing. The part stays on success. */
  async receive(imageId: string, token: string, data: Readable, sizeCap: number): Promise<StoredUpload> {
    const md5 = createHash('md5');
    const sha512 = createHash('sha512');
    let size = 0;
    const file = await open(this.partPath(imageId, token), 'wx', 0o600);
    try {
      for await (const chunk of data as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > sizeCap) throw new CloudError('tooLarge', `Image storage media is limited to ${sizeCap} bytes.`);
        md5.update(chunk);
        sha512.update(chunk);
        await writeAll(file, chunk);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    return { size, md5: md5.digest('hex'), sha512: sha512.digest('hex') };
  }

  /** Random access to an upload in work, for its inspection. */
  async inspectPart<T>(imageId: string, token: string, inspect: (source: ByteSource) => Promise<T>): Promise<T> {
    const file = await open(this.partPath(imageId, token), 'r');
    try {
      const { size } = await file.stat();
      return await inspect({ size, read: (offset, length) => readAt(file, offset, length) });
    } finally {
      await file.close();
    }
  }

  commit(imageId: string, token: string): Promise<void> {
    return rename(this.partPath(imageId, token), this.path(imageId));
  }

  async discardPart(imageId: string, token: string): Promise<void> {
    await rm(this.partPath(imageId, token), { force: true });
  }

  /** `start` and `end` are byte positions, both inclusive. */
  read(imageId: string, range?: { start: number; end: number }): Readable {
    return createReadStream(this.path(imageId), { highWaterMark: 1 << 20, ...range });
  }

  async remove(imageId: string): Promise<void> {
    await rm(this.path(imageId), { force: true });
  }

  /** Everything in the directory with its age in ms. */
  async list(): Promise<{ imageId: string; part: boolean; file: string; ageMs: number }[]> {
    const files = await readdir(this.dir);
    const found = await Promise.all(files.map(async (file) => {
      const facts = await stat(join(this.dir, file)).catch(() => undefined);
      return facts && { file, imageId: file.split('.', 1)[0]!, part: file.endsWith('.part'), ageMs: Date.now() - facts.mtimeMs };
    }));
    return found.filter((entry) => entry !== undefined);
  }

  async removeFile(file: string): Promise<void> {
    await rm(join(this.dir, file), { force: true });
  }
}

async function writeAll(file: FileHandle, chunk: Buffer): Promise<void> {
  for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten;
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, offset);
  return buffer.subarray(0, bytesRead);
}
