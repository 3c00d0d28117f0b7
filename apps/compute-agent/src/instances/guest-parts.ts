import { join } from 'node:path';
import type { BuildSpec } from '@virga/contracts';
import { makeConfigDrive } from '../disks/config-drive';
import type { ImageCache } from '../disks/image-cache';
import { makeEphemeralDisk, makeRootDisk, makeSwapDisk } from '../disks/instance-disks';
import type { GuestParts } from '../virt/virt-driver';
import { guestNic } from './nics';

export const CONSOLE_LOG = 'console.log';
/** Names in the instance's directory; nothing of a console listens on a network. */
export const CONSOLE_SOCKETS = { vnc: 'vnc.sock', spice: 'spice.sock', serial: 'serial.sock' } as const;

interface Place {
  /** The instance's own directory. */
  dir: string;
  images: ImageCache;
  /** Whether guests show their screens by SPICE, too. */
  spice: boolean;
  sharedDisks: boolean;
}

/** Disks and files of a guest, made or found; nothing of it reaches outside the instance's directory and the cache. */
export async function prepareGuestParts({ dir, images, spice, sharedDisks }: Place, spec: BuildSpec, documents: Record<string, string>, signal: AbortSignal): Promise<GuestParts> {
  const base = await images.ensure(spec.image);
  signal.throwIfAborted();
  const { flavor } = spec;
  return {
    rootDisk: { path: await makeRootDisk(dir, base, spec, signal), backing: base },
    ephemeralDisks: flavor.ephemeralGb > 0 ? [await makeEphemeralDisk(dir, 0, flavor.ephemeralGb, signal)] : [],
    ...(flavor.swapMb > 0 ? { swapDisk: await makeSwapDisk(dir, flavor.swapMb, signal) } : {}),
    ...(spec.configDrive ? { configDrive: await makeConfigDrive(dir, decode(documents), signal) } : {}),
    ...(await directBoot(images, spec)),
    sharedDisks,
    nics: spec.ports.map(guestNic),
    consoleLog: join(dir, CONSOLE_LOG),
    serialSocket: join(dir, CONSOLE_SOCKETS.serial),
    vncSocket: join(dir, CONSOLE_SOCKETS.vnc),
    ...(spice && { spiceSocket: join(dir, CONSOLE_SOCKETS.spice) }),
  };
}

/** Kernel and ramdisk beside the disk, as AMI-style images are booted. */
export async function directBoot(images: ImageCache, spec: BuildSpec): Promise<Pick<GuestParts, 'kernel' | 'ramdisk'>> {
  if (!spec.kernelImage) return {};
  const kernel = await images.ensure(spec.kernelImage);
  const ramdisk = spec.ramdiskImage && (await images.ensure(spec.ramdiskImage));
  const commandLine = spec.image.properties['os_command_line'] ?? 'root=/dev/vda console=tty0 console=ttyS0';
  return { kernel: { path: kernel.path, commandLine }, ...(ramdisk ? { ramdisk: { path: ramdisk.path } } : {}) };
}

export const decode = (documents: Record<string, string>): Record<string, Buffer> =>
  Object.fromEntries(Object.entries(documents).map(([path, content]) => [path, Buffer.from(content, 'base64')]));
