import { run } from '../run-command';
import type { HostPlan, Site } from '../site';

export const migrationRateOf = ({ settings }: Site, host: HostPlan): string => settings.migrationRates?.[host.name] ?? settings.migrationRate ?? 'unlimited';

/** Limits what the host sends over its management and migration link to a rate (see linkRate). A repeat changes nothing. */
export async function limitMigrationLink({ netns, links }: HostPlan, rate: string): Promise<void> {
  const device = ['dev', links.management.inside, 'root'];
  // Without a discipline of ours there is nothing to delete, which tc calls an error.
  if (rate === 'unlimited') await run('tc', ['-n', netns, 'qdisc', 'delete', ...device], { accept: [0, 2] });
  else await run('tc', ['-n', netns, 'qdisc', 'replace', ...device, 'tbf', 'rate', rate, 'burst', '1mb', 'latency', '50ms']);
}
