import { join } from 'node:path';
import { keepSettings, loadSite, type Launch } from '../load-site';
import type { Options } from '../options';
import { partsOf } from '../parts/catalog';
import { Progress } from '../progress';
import { SecretStore } from '../secrets';
import type { Site } from '../site';
import { buildGuest, decideVirtType } from '../stages/guest-image';
import { installRelease } from '../stages/release';
import { ensureGuestUser, ensureServiceUser } from '../system-users';
import { amongThemselves, runGraph, type Task } from '../task-graph';
import { makeDirectories } from './directories';
import { hostTasks, partTask } from './start-tasks';
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
    // What is the controller's has been done there.
    await runGraph(amongThemselves([...preparations(site), ...hostTasks(site, host!), ...parts.map((part) => partTask(site, part))]), progress);
  } finally {
    progress.stop();
  }
  const state = await inspectCloud(site);
  if (state.healthy) progress.say(`${host!.name} is a host of the cloud: ${state.parts.length} parts healthy, ${Math.round(state.controlPlanePssKib / 1024)} MiB of memory`);
  else process.stdout.write(`\n${renderStatus(state)}\n`);
  return state.healthy ? 0 : 1;
}

function preparations(site: Site): Task[] {
  const probes = site.settings.virtType === 'probe';
  return [
    { name: 'release', after: [], work: async () => installRelease(site) },
    ...(probes ? [{ name: 'guest-image', after: [], work: () => buildGuest(site) }] : []),
    { name: 'virt-type', after: ['guest-image'], work: () => decideVirtType(site) },
  ];
}
