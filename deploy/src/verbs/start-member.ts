import { join } from 'node:path';
import { keepSettings, loadSite, type Launch } from '../load-site';
import type { Options } from '../options';
import { partsOf } from '../parts/catalog';
import { createBridges, describeChassis, prepareHost } from '../parts/host';
import type { Part } from '../parts/part';
import { ensureRunning } from '../process/supervision';
import { Progress } from '../progress';
import { SecretStore } from '../secrets';
import type { HostPlan, Site } from '../site';
import { buildGuest, decideVirtType } from '../stages/guest-image';
import { createHostNamespace } from '../stages/host-namespace';
import { installRelease } from '../stages/release';
import { ensureGuestUser, ensureServiceUser } from '../system-users';
import { runGraph, type Task } from '../task-graph';
import { makeDirectories } from './directories';
import { inspectCloud, renderStatus } from './status';

/** Starts the host that this machine is since it has joined. Its agent is ready when the controller has answered it. */
export async function startMember(launch: Launch, options: Options): Promise<number> {
  const progress = new Progress(launch.startedAt);
  const known = loadSite(launch);
  const site = options.virtType === undefined ? known : keepSettings(launch, { ...known.settings, virtType: options.virtType });
  const [host] = site.hosts;
  await ensureServiceUser();
  await ensureGuestUser();
  makeDirectories(site);
  progress.say(`settings: host ${host!.name} of the cloud at ${site.management.address}, state in ${site.state}`);
  const parts = partsOf(site, new SecretStore(join(site.etc, 'secrets.json')));
  try {
    await runGraph([...preparations(site, host!), ...parts.map((part) => partTask(site, host!, part))], progress);
  } finally {
    progress.stop();
  }
  const state = await inspectCloud(site);
  if (state.healthy) progress.say(`${host!.name} is a host of the cloud: ${state.parts.length} parts healthy, ${Math.round(state.controlPlanePssKib / 1024)} MiB of memory`);
  else process.stdout.write(`\n${renderStatus(state)}\n`);
  return state.healthy ? 0 : 1;
}

function preparations(site: Site, host: HostPlan): Task[] {
  const probes = site.settings.virtType === 'probe';
  return [
    { name: 'release', after: [], work: async () => installRelease(site) },
    { name: 'namespace', after: [], work: () => createHostNamespace(site, host) },
    { name: 'files', after: ['namespace'], work: () => prepareHost(site, host) },
    { name: 'chassis', after: [`${host.name}-ovsdb`], work: () => describeChassis(site, host) },
    { name: 'bridges', after: [`${host.name}-vswitchd`], work: () => createBridges(host) },
    ...(probes ? [{ name: 'guest-image', after: [], work: () => buildGuest(site) }] : []),
    { name: 'virt-type', after: probes ? ['guest-image'] : [], work: () => decideVirtType(site) },
  ];
}

function partTask(site: Site, { name }: HostPlan, part: Part): Task {
  const before: Record<string, string[]> = { [`${name}-vswitchd`]: ['chassis'], [`${name}-ovn-controller`]: ['bridges'], [`${name}-agent`]: ['virt-type'] };
  return { name: part.name, after: [...part.after, 'release', ...(part.host ? ['files'] : []), ...(before[part.name] ?? [])], work: () => ensureRunning(site, part) };
}
