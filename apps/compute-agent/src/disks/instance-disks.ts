import { access, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { badRequest } from '@virga/core';
import type { BuildSpec } from '@virga/contracts';
import type { CachedImage } from './image-cache';
import { seatOf } from './disk-seat';
import { runTool } from './run-tool';

export const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

const exists = (path: string) => access(path).then(() => true, () => false);

/** Makes `path` whole or not at all: `make` writes a neighbour that is then renamed. A present file is left as it is. */
async function onceWhole(path: string, make: (part: string) => Promise<void>): Promise<string> {
  const seat = await seatOf(path);
  if (await exists(seat)) return path;
  const part = `${seat}.part`;
  await rm(part, { force: true });
  await make(part);
  await rename(part, seat);
  return path;
}

/** Bytes that the guest's disks may come to need. */
export const diskBytes = ({ flavor, image }: BuildSpec): number =>
  Math.max(flavor.rootGb * GIB, image.virtualSizeBytes ?? image.sizeBytes) + flavor.ephemeralGb * GIB + flavor.swapMb * MIB;

/** qcow2 overlay over a cached image, never smaller than the image. `rootGb` 0 keeps the image's size. */
export function makeRootDisk(dir: string, base: CachedImage, spec: BuildSpec, signal: AbortSignal): Promise<string> {
  return onceWhole(join(dir, 'disk'), async (part) => {
    const imageBytes = spec.image.virtualSizeBytes ?? (await stat(base.path)).size;
    const wanted = spec.flavor.rootGb * GIB;
    if (wanted > 0 && imageBytes > wanted) throw badRequest(`The image needs ${imageBytes} bytes, and the flavor's disk has ${wanted}.`);
    // QEMU counts in sectors; a raw image may end in the middle of one.
    const size = Math.ceil(Math.max(wanted, imageBytes) / 512) * 512;
    await runTool('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', base.format, '-b', base.path, part, String(size)], { signal });
  });
}

/** The root disk of a guest that is off, with all that lies below it, as one qcow2 file. Its layers are ours: only their content is the guest's. */
export async function flattenRootDisk(dir: string, path: string, signal: AbortSignal): Promise<void> {
  await runTool('qemu-img', ['convert', '-q', '-f', 'qcow2', '-O', 'qcow2', join(dir, 'disk'), path], { signal, limits: { addressSpaceBytes: 2 ** 31, cpuSeconds: 3600 } });
}

/** Disks that are made from image and flavor; `makeRootDisk` and its like make them anew. */
export async function removeDisks(dir: string, { ephemeral }: { ephemeral: boolean }): Promise<void> {
  for (const file of await readdir(dir)) {
    const own = file === 'disk' || file === 'disk.swap' || file === 'disk.config' || (ephemeral && file.startsWith('disk.eph'));
    if (own) await rm(await seatOf(join(dir, file)), { force: true });
  }
}

async function sparseFile(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try { await file.truncate(bytes); } finally { await file.close(); }
}

/** An empty ext4 disk with the label that cloud-init looks for, raw and sparse. */
export function makeEphemeralDisk(dir: string, index: number, gb: number, signal: AbortSignal): Promise<string> {
  return onceWhole(join(dir, `disk.eph${index}`), async (part) => {
    await sparseFile(part, gb * GIB);
    await runTool('mke2fs', ['-q', '-F', '-t', 'ext4', '-L', `ephemeral${index}`, part], { signal });
  });
}

/** The further disks of a guest that brings their content with it: as long as they must be, and nothing in them. */
export async function emptyDisks(dir: string, { flavor }: BuildSpec): Promise<void> {
  if (flavor.ephemeralGb > 0) await onceWhole(join(dir, 'disk.eph0'), (part) => sparseFile(part, flavor.ephemeralGb * GIB));
  if (flavor.swapMb > 0) await onceWhole(join(dir, 'disk.swap'), (part) => sparseFile(part, flavor.swapMb * MIB));
}

export function makeSwapDisk(dir: string, mb: number, signal: AbortSignal): Promise<string> {
  return onceWhole(join(dir, 'disk.swap'), async (part) => {
    await sparseFile(part, mb * MIB);
    await runTool('mkswap', [part], { signal });
  });
}
