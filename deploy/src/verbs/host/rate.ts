import { keepSettings, type Launch } from '../../load-site';
import { linkRate, UsageError, type Options } from '../../options';
import { namespaceExists } from '../../stages/host-namespace';
import { limitMigrationLink } from '../../stages/migration-link';
import { siteAndHost } from './index';

/** Sets the speed of a host's management and migration link, now and for the next `up`. */
export async function setRate(launch: Launch, options: Options): Promise<number> {
  const { site, plan } = siteAndHost(launch, options);
  if (options.words[1] === undefined) throw new UsageError('say how fast: 1gbit, 200mbit, ... or unlimited.');
  const rate = linkRate('the rate', options.words[1]);
  keepSettings(launch, { ...site.settings, migrationRates: { ...site.settings.migrationRates, [plan.name]: rate } });
  if (namespaceExists(plan)) await limitMigrationLink(plan, rate);
  process.stdout.write(`${plan.name}: ${rate}\n`);
  return 0;
}
