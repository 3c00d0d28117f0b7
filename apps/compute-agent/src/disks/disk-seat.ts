import { readlink } from 'node:fs/promises';

/** Names in an instance's directory of what may lie on storage that hosts have in common: then they are links to it. */
export const SEATED: readonly string[] = ['disk', 'disk.eph0', 'disk.swap'];

/** Where a file of an instance really lies, or is to lie. */
export const seatOf = (path: string): Promise<string> => readlink(path).catch((error: NodeJS.ErrnoException) => {
  if (error.code === 'ENOENT' || error.code === 'EINVAL') return path;
  throw error;
});
