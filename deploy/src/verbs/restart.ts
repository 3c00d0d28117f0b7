import { join } from 'node:path';
import { errorMessage } from '@virga/core';
import { loadSite, type Launch } from '../load-site';
import { UsageError, type Options } from '../options';
import { partsOf } from '../parts/catalog';
import type { Part } from '../parts/part';
import { restartPart } from '../process/supervision';
import { SecretStore } from '../secrets';

/** What is restarted when no part is named: everything that is Virga's own. */
const isOwn = (part: Part): boolean => part.group === 'service' || part.name === 'fleet' || part.name === `${part.host}-agent`;

/** Starts parts anew, one after the other; stops at the first that does not come back. Exit code 1 then. */
export async function restart(launch: Launch, options: Options): Promise<number> {
  const site = loadSite(launch);
  const parts = partsOf(site, new SecretStore(join(site.etc, 'secrets.json')));
  const unknown = options.words.filter((word) => !parts.some(({ name }) => name === word));
  if (unknown.length > 0) throw new UsageError(`there is no ${unknown.join(', ')}; there are: ${parts.map(({ name }) => name).join(', ')}`);
  for (const part of parts.filter((one) => (options.words.length > 0 ? options.words.includes(one.name) : isOwn(one)))) {
    try {
      process.stdout.write(`${part.name}: ${await restartPart(site, part)}\n`);
    } catch (error) {
      process.stderr.write(`virga: ${part.name}: ${errorMessage(error)}\n`);
      return 1;
    }
  }
  return 0;
}
