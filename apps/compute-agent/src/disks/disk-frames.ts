import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { conflict, unavailable } from '@virga/core';

/**
 * A disk on its way: pieces of at most 1 MiB that are not all zero, in rising order, each with its place and its SHA-256; the last
 * one is empty and stands at the end of the disk. Head: place (8 bytes, big-endian), length (4 bytes), digest (32 bytes).
 */
export const FRAME_BYTES = 1 << 20;
const HEAD_BYTES = 44;
const ZEROS = Buffer.alloc(FRAME_BYTES);

const digestOf = (data: Buffer): Buffer => createHash('sha256').update(data).digest();

function head(place: number, data: Buffer): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES);
  bytes.writeBigUInt64BE(BigInt(place), 0);
  bytes.writeUInt32BE(data.length, 8);
  digestOf(data).copy(bytes, 12);
  return bytes;
}

/** The frames of a file from a place on. */
export async function* diskFrames(path: string, from = 0): AsyncGenerator<Buffer> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    for (let place = from; place < size;) {
      const buffer = Buffer.allocUnsafe(Math.min(FRAME_BYTES, size - place));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, place);
      // A disk that lies still does not become shorter.
      if (bytesRead === 0) throw conflict('The disk was changed while it was read.');
      const data = buffer.subarray(0, bytesRead);
      if (!data.equals(ZEROS.subarray(0, bytesRead))) {
        yield head(place, data);
        yield data;
      }
      place += bytesRead;
    }
    yield head(size, Buffer.alloc(0));
  } finally {
    await file.close();
  }
}

/** Writes what comes, as sparse as it was. After a break it goes on with another stream, from `place` on. */
export class FrameWriter {
  /** Up to here everything has come. */
  place = 0;

  /** @param maxBytes whoever sends more is refused */
  constructor(private readonly file: FileHandle, private readonly maxBytes: number) {}

  /**
   * Resolves when the disk is whole.
   * @throws CloudError unavailable when the stream ended before; conflict for what is no disk
   */
  async take(stream: AsyncIterable<Buffer>): Promise<void> {
    let chunks: Buffer[] = [];
    let bytes = 0;
    let wanted = HEAD_BYTES;
    for await (const chunk of stream) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes < wanted) continue;
      let rest = Buffer.concat(chunks);
      for (wanted = this.frameBytes(rest); rest.length >= wanted; wanted = this.frameBytes(rest)) {
        if (await this.write(rest.subarray(0, wanted))) return;
        rest = rest.subarray(wanted);
      }
      chunks = [rest];
      bytes = rest.length;
    }
    throw unavailable(`The disk was cut off after ${this.place} bytes.`);
  }

  /** How long the frame is that begins here, or its head while that is not there. */
  private frameBytes(rest: Buffer): number {
    if (rest.length < HEAD_BYTES) return HEAD_BYTES;
    const place = Number(rest.readBigUInt64BE(0));
    const length = rest.readUInt32BE(8);
    if (length > FRAME_BYTES || place < this.place || place + length > this.maxBytes) throw conflict('What the other host sends is no disk of this guest.');
    return HEAD_BYTES + length;
  }

  /** True after the last frame. */
  private async write(frame: Buffer): Promise<boolean> {
    const place = Number(frame.readBigUInt64BE(0));
    const data = frame.subarray(HEAD_BYTES);
    if (!digestOf(data).equals(frame.subarray(12, HEAD_BYTES))) throw unavailable('A piece of the disk was damaged on its way.');
    if (data.length === 0) {
      await this.file.truncate(place);
      await this.file.datasync();
      return true;
    }
    await this.file.write(data, 0, data.length, place);
    this.place = place + data.length;
    return false;
  }
}
