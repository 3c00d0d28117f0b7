import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { internalError } from '@virga/core';
import { runTool } from './run-tool';

/** Its name in the instance's directory. */
export const CONFIG_DRIVE = 'disk.config';

/** Only these trees belong on a config drive (label config-2). */
const TREES = /^(openstack|ec2)\//;

/** The metadata documents as an ISO 9660 image with Rock Ridge and Joliet names, made anew each time. */
export async function makeConfigDrive(dir: string, documents: Record<string, Buffer>, signal: AbortSignal): Promise<string> {
  const path = join(dir, CONFIG_DRIVE);
  const tree = await mkdtemp(join(dir, 'config-'));
  try {
    for (const [name, content] of Object.entries(documents)) {
      if (!TREES.test(name)) continue;
      const file = normalize(join(tree, name));
      if (!file.startsWith(`${tree}/`)) throw internalError(`The metadata document ${name} points outside its tree.`);
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await writeFile(file, content, { mode: 0o600 });
    }
    await runTool('genisoimage', ['-quiet', '-V', 'config-2', '-r', '-J', '-l', '-o', `${path}.part`, tree], { signal });
    await rename(`${path}.part`, path);
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
  return path;
}
