import { open, stat, truncate, writeFile } from 'node:fs/promises';

/** Ending of the file with what was printed before. */
export const ROTATED = '.1';

async function tail(path: string, bytes: number): Promise<Buffer> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? undefined : Promise.reject(error)));
  if (!file) return Buffer.alloc(0);
  try {
    const { size } = await file.stat();
    const length = Math.min(size, bytes);
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, size - length);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The guest's last serial output, at most `maxBytes`, and of that the last `lines` lines when asked. */
export async function readConsoleLog(path: string, maxBytes: number, lines?: number): Promise<Buffer> {
  const recent = await tail(path, maxBytes);
  const output = recent.length < maxBytes ? Buffer.concat([await tail(path + ROTATED, maxBytes - recent.length), recent]) : recent;
  return lines === undefined ? output : lastLines(output, lines);
}

/** As OpenStack counts: what stands after the last newline is a line, too, be it empty. */
export function lastLines(output: Buffer, lines: number): Buffer {
  if (lines <= 0) return Buffer.alloc(0);
  let start = output.length;
  for (let count = 0; count < lines; count++) {
    const previous = start > 0 ? output.lastIndexOf(0x0a, start - 1) : -1;
    if (previous < 0) return output;
    start = previous;
  }
  return output.subarray(start + 1);
}

/**
 * Keeps a guest that floods its serial line from filling the disk: an overlong log becomes the rotated one. QEMU holds
 * the file open for appending, so it is copied and emptied, never renamed; a little may be lost in between.
 */
export async function boundConsoleLog(path: string, maxBytes: number): Promise<boolean> {
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  if (size <= maxBytes) return false;
  await writeFile(path + ROTATED, await tail(path, maxBytes), { mode: 0o600 });
  await truncate(path, 0);
  return true;
}
