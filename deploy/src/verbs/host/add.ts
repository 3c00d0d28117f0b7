import { keepSettings, loadSite, type Launch } from '../../load-site';
import { UsageError, type Options } from '../../options';
import { up } from '../up';

const MOST_HOSTS = 16;

/** One more host on this machine: the number of one that was taken away, or the next. */
export async function addHost(launch: Launch, options: Options): Promise<number> {
  const { settings } = loadSite(launch);
  const absent = [...(settings.absentHosts ?? [])].sort((a, b) => a - b);
  if (absent.length === 0 && settings.hosts >= MOST_HOSTS) throw new UsageError(`a machine has at most ${MOST_HOSTS} hosts.`);
  keepSettings(launch, absent.length > 0 ? { ...settings, absentHosts: absent.slice(1) } : { ...settings, hosts: settings.hosts + 1 });
  return up(launch, { ...options, verb: 'up', words: [] });
}
