import { join } from 'node:path';
import { ACCOUNTS, openrcText } from '../credentials';
import { loadSite, type Launch } from '../load-site';
import { UsageError, type Options } from '../options';
import { SecretStore } from '../secrets';

/** Prints export lines for admin, or for another account by name. */
export async function openrc(launch: Launch, options: Options): Promise<number> {
  const site = loadSite(launch);
  const name = options.words[0] ?? 'admin';
  const account = Object.hasOwn(ACCOUNTS, name) ? ACCOUNTS[name as keyof typeof ACCOUNTS] : undefined;
  if (!account) throw new UsageError(`openrc knows ${Object.keys(ACCOUNTS).join(' and ')}, not ${name}.`);
  process.stdout.write(openrcText(site, new SecretStore(join(site.etc, 'secrets.json')), account));
  return 0;
}
