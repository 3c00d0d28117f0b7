import { createInterface } from 'node:readline/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { readdirSync, rmSync } from 'node:fs';
import { isOurs } from '../credentials';
import { loadSite, type Launch } from '../load-site';
import type { Options } from '../options';
import { stopCloud } from './down';

/** Down, and the data of the cloud is removed. Asks first, unless told --yes. */
export async function destroy(launch: Launch, options: Options): Promise<number> {
  const site = loadSite(launch);
  if (!options.yes) {
    if (!process.stdin.isTTY) throw new Error('destroy removes every server, image and network of this cloud; say --yes where nobody can be asked.');
    const prompt = createInterface({ input: process.stdin, output: process.stdout });
    const answer = await prompt.question(`This removes every server, image and network of the cloud in ${site.state}. Type yes to go on: `);
    prompt.close();
    if (answer.trim() !== 'yes') return 1;
  }
  // Guests whose disks are about to go need no time to put them in order.
  const code = await stopCloud(site, launch.startedAt, 0);
  if (code !== 0) throw new Error('something of the cloud still runs (see above), so its data stays; end that and try again.');
  const clouds = join(homedir(), '.config/openstack/clouds.yaml');
  if (isOurs(clouds, site)) rmSync(clouds);
  // The private Node may be what runs this very command, and holds no data of the cloud.
  for (const entry of readdirSync(site.state)) if (entry !== 'node') rmSync(join(site.state, entry), { recursive: true, force: true });
  process.stdout.write(`removed the data in ${site.state}\n`);
  return 0;
}
