import { access, open, rename, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildSpec } from '@virga/contracts';
import { CloudError, conflict, errorMessage, internalError, systemClock, unavailable } from '@virga/core';
import { ImageRefused, inspectQcow2 } from '@virga/domain';
import { HostAnswerError, type HostConnection } from '@virga/mutual-tls';
import { diskFrames, FrameWriter } from './disk-frames';
import type { CachedImage } from './image-cache';
import { diskBytes, GIB } from './instance-disks';
import { seatOf } from './disk-seat';
import { runTool } from './run-tool';

/** Disks with content of the guest's; its swap and its config drive are made anew. */
export const MOVED_DISKS: readonly string[] = ['disk', 'disk.eph0'];

/** The frames of one of the disks from a place on; undefined when there is no such disk. */
export type DisksToRead = (name: string, from: number, signal: AbortSignal) => Promise<AsyncIterable<Buffer> | undefined>;

const STALL_MS = 60_000;
/** Breaks in a row without a byte of progress after which a disk is given up. */
const TRIES = 5;
const PAUSE_MS = 1000;

export const localDisks = (dir: string): DisksToRead => async (name, from) => {
  const path = join(dir, name);
  return (await access(path).then(() => true, () => false)) ? diskFrames(path, from) : undefined;
};

export const remoteDisks = (host: Pick<HostConnection, 'request'>, instanceId: string): DisksToRead => async (name, from, signal) => {
  try {
    const response = await host.request({ method: 'GET', path: `/v1/disks/${instanceId}/${name}?from=${from}`, signal });
    response.setTimeout(STALL_MS, () => response.destroy(new Error(`nothing came for ${STALL_MS / 1000} s`)));
    return response;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof HostAnswerError && error.status === 404) return undefined;
    if (error instanceof HostAnswerError && error.status < 500) throw conflict(error.message);
    throw unavailable(`The host that has the disks cannot be read from: ${errorMessage(error)}`);
  }
};

interface Receipt {
  /** The instance's directory. */
  dir: string;
  base: CachedImage;
  spec: BuildSpec;
  source: DisksToRead;
  signal: AbortSignal;
}

/**
 * Brings the guest's disks into its directory, each whole or not at all; a repeat leaves those that have come. A broken connection
 * is taken up again where it broke.
 */
export async function receiveDisks({ dir, base, spec, source, signal }: Receipt): Promise<void> {
  const { flavor } = spec;
  if (!(await receive(dir, 'disk', spec, source, signal, (part) => adoptRootDisk(part, base, spec, signal)))) throw conflict('The other host does not have the disk of the guest.');
  // One that the guest did not have yet is made with the others.
  if (flavor.ephemeralGb > 0) await receive(dir, 'disk.eph0', spec, source, signal, (part) => growRaw(part, flavor.ephemeralGb * GIB));
}

async function receive(dir: string, name: string, spec: BuildSpec, source: DisksToRead, signal: AbortSignal, adopt: (part: string) => Promise<void>): Promise<boolean> {
  const path = await seatOf(join(dir, name));
  if (await access(path).then(() => true, () => false)) return true;
  const part = `${path}.incoming`;
  await rm(part, { force: true });
  try {
    if (!(await fetch(part, name, spec, source, signal))) return false;
    await adopt(part);
    await rename(part, path);
    return true;
  } finally {
    await rm(part, { force: true });
  }
}

async function fetch(part: string, name: string, spec: BuildSpec, source: DisksToRead, signal: AbortSignal): Promise<boolean> {
  const file = await open(part, 'wx', 0o600);
  try {
    // A qcow2 file has tables beside its data: an eighth more is plenty.
    const writer = new FrameWriter(file, Math.ceil((diskBytes(spec) + GIB) * 9 / 8));
    for (let tries = 1; ; tries++) {
      const before = writer.place;
      try {
        const stream = await source(name, before, signal);
        if (!stream) return false;
        await writer.take(stream);
        return true;
      } catch (error) {
        signal.throwIfAborted();
        if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw internalError('No space is left on the host for the disk.');
        if (error instanceof CloudError && error.kind !== 'unavailable') throw error;
        if (writer.place > before) tries = 0;
        if (tries >= TRIES) throw error instanceof CloudError ? error : unavailable(`The disk was not received whole: ${errorMessage(error)}`);
        await systemClock.sleep(PAUSE_MS, signal);
      }
    }
  } finally {
    await file.close();
  }
}

/** The other host's word is not taken for what the file is: only its own content may be in it, over the base image that is here. */
async function adoptRootDisk(part: string, base: CachedImage, { flavor, image }: BuildSpec, signal: AbortSignal): Promise<void> {
  const virtual = await inspect(part);
  const wanted = flavor.rootGb * GIB;
  if (wanted > 0 && virtual > Math.max(wanted, image.virtualSizeBytes ?? image.sizeBytes)) throw conflict(`The guest's disk has ${virtual} bytes, and the flavor's ${wanted}: a disk is never made smaller.`);
  await runTool('qemu-img', ['rebase', '-q', '-u', '-f', 'qcow2', '-F', base.format, '-b', base.path, part], { signal });
  if (wanted > virtual) await runTool('qemu-img', ['resize', '-q', '-f', 'qcow2', part, String(wanted)], { signal });
}

async function inspect(part: string): Promise<number> {
  const file = await open(part, 'r');
  try {
    const { size } = await file.stat();
    const read = async (offset: number, length: number) => {
      const buffer = Buffer.alloc(length);
      return buffer.subarray(0, (await file.read(buffer, 0, length, offset)).bytesRead);
    };
    if ((await read(0, 4)).toString('latin1') !== 'QFI\xfb') throw new ImageRefused('It is no qcow2 image.');
    return (await inspectQcow2({ size, read }, { maxVirtualBytes: Number.MAX_SAFE_INTEGER, admitBacking: true })).virtualSizeBytes;
  } catch (error) {
    throw error instanceof ImageRefused ? conflict(`The disk from the other host was refused: ${error.message}`) : error;
  } finally {
    await file.close();
  }
}

async function growRaw(part: string, wanted: number): Promise<void> {
  const { size } = await stat(part);
  if (size > wanted) throw conflict(`The guest's ephemeral disk has ${size} bytes, and the flavor's ${wanted}: a disk is never made smaller.`);
  if (size < wanted) await truncate(part, wanted);
}
