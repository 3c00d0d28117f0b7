import { loadSite, type Launch } from '../../load-site';
import { UsageError, type Options } from '../../options';
import type { HostPlan, Site } from '../../site';
import { addHost } from './add';
import { drainHost, restoreHost } from './drain';
import { fenceHost } from './fence';
import { joinCloud } from './join';
import { listHosts } from './list';
import { setRate } from './rate';
import { removeHost } from './remove';
import { makeToken } from './token';

const VERBS = { list: listHosts, add: addHost, remove: removeHost, rate: setRate, drain: drainHost, restore: restoreHost, fence: fenceHost, token: makeToken, join: joinCloud } as const;

/** `virga host VERB [HOST ...]`. */
export async function host(launch: Launch, options: Options): Promise<number> {
  const [name = '', ...words] = options.words;
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name as keyof typeof VERBS] : undefined;
  if (!verb) throw new UsageError(`host knows ${Object.keys(VERBS).join(', ')}, not "${name}".`);
  return verb(launch, { ...options, words });
}

/** The host of that name. Throws UsageError. */
export function namedHost(site: Site, name: string | undefined): HostPlan {
  const found = site.hosts.find((plan) => plan.name === name);
  if (!found) throw new UsageError(name === undefined ? 'say which host.' : `this cloud has no host ${name}; it has ${site.hosts.map((plan) => plan.name).join(', ')}.`);
  return found;
}

export const siteAndHost = (launch: Launch, options: Options): { site: Site; plan: HostPlan } => {
  const site = loadSite(launch);
  return { site, plan: namedHost(site, options.words[0]) };
};
