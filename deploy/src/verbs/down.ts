import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@virga/core';
import { loadSite, type Launch } from '../load-site';
import type { Options } from '../options';
import { partsOf } from '../parts/catalog';
import type { Part } from '../parts/part';
import { allPids, commandOf, treeOf } from '../process/processes';
import { partState, stopPart } from '../process/supervision';
import { Progress } from '../progress';
import { SecretStore } from '../secrets';
import type { Site } from '../site';
import { endHostProcesses, shutDownGuests } from '../stages/guests';
import { deleteHostNamespace } from '../stages/host-namespace';
import { unplumb } from '../stages/plumbing';
import { amongThemselves, runGraph, type Task } from '../task-graph';

/** How long guests may take to shut themselves down. */
const GUEST_PATIENCE_MS = 20_000;
/** A process that was told to end is in the list of processes for a moment longer; on a busy machine one sees it there. */
const LEAVE_MS = 5000;

/** Stops everything in the reverse of the order in which it started; the data stays. Exit code 1 if something is left. */
export async function down(launch: Launch, _options: Options): Promise<number> {
  return stopCloud(loadSite(launch), launch.startedAt);
}

export async function stopCloud(site: Site, startedAt: number, guestPatienceMs = GUEST_PATIENCE_MS): Promise<number> {
  const progress = new Progress(startedAt);
  const parts = existsSync(site.etc) ? partsOf(site, new SecretStore(join(site.etc, 'secrets.json'))) : [];
  try {
    await runGraph(stopTasks(site, parts, guestPatienceMs), quiet(progress));
  } finally {
    progress.stop();
  }
  const leftovers = await leftoversAfter(site, LEAVE_MS);
  for (const leftover of leftovers) progress.say(`LEFT BEHIND: ${leftover}`);
  progress.say(leftovers.length === 0 ? 'down: nothing is left running; the data stays' : `down: ${leftovers.length} things are left behind`);
  return leftovers.length === 0 ? 0 : 1;
}

/** What is left, once what is about to go has had `ms` for it. */
async function leftoversAfter(site: Site, ms: number): Promise<string[]> {
  for (const end = Date.now() + ms; ; await systemClock.sleep(100)) {
    const leftovers = findLeftovers(site);
    if (leftovers.length === 0 || Date.now() >= end) return leftovers;
  }
}

/** Stopping a part that did not run is not worth a line. */
const quiet = (progress: Progress): Progress => {
  const ended = progress.ended.bind(progress);
  progress.ended = (name, ms, note) => { if (note !== 'did not run') ended(name, ms, note); };
  return progress;
};

export function stopTasks(site: Site, parts: Part[], guestPatienceMs = GUEST_PATIENCE_MS): Task[] {
  const users = (name: string): string[] => parts.filter((part) => part.after.includes(name)).map((part) => part.name);
  const guestsTask = (host: string): string => `${host}-guests`;
  const stops = parts.map((part): Task => ({
    name: part.name,
    // libvirtd and the switch are needed until the guests are down.
    after: [...users(part.name), ...(part.host && !part.name.endsWith('-agent') ? [guestsTask(part.host)] : [])],
    work: async () => {
      const { supervisor, process } = partState(site, part.name);
      await stopPart(site, part.name, part.stopTimeoutMs);
      return supervisor || process ? 'stopped' : 'did not run';
    },
  }));
  const hosts = site.hosts.flatMap((host): Task[] => [
    {
      name: guestsTask(host.name),
      // The agent first: it must not report guests as ended that are to run again after the next up.
      after: [`${host.name}-agent`],
      work: async () => {
        const { asked, forced } = await shutDownGuests(host, guestPatienceMs).catch(() => ({ asked: 0, forced: 0 }));
        return asked === 0 ? 'did not run' : `${asked} shut down${forced > 0 ? `, ${forced} of them by force` : ''}`;
      },
    },
    {
      name: `${host.name}-namespace`,
      after: parts.filter((part) => part.host === host.name).map((part) => part.name),
      work: async () => {
        await endHostProcesses(host);
        await deleteHostNamespace(host);
        return 'gone';
      },
    },
  ]);
  const all = amongThemselves([...stops, ...hosts]);
  return [...all, { name: 'plumbing', after: all.map((task) => task.name), work: async () => { await unplumb(site); return 'gone'; } }];
}

/** What should not be there any more: processes, namespaces, interfaces and mounts of this cloud. */
export function findLeftovers(site: Site): string[] {
  const own = new Set(treeOf(process.pid).concat(ancestors()));
  const processes = allPids().filter((pid) => !own.has(pid) && mentions(commandOf(pid), site.state)).map((pid) => `process ${pid}: ${commandOf(pid).slice(0, 120)}`);
  const { name } = site.settings;
  const ours = new RegExp(`^${name}(mgmt|ext|[mtx]\\d+)$`);
  const interfaces = readdirSync('/sys/class/net').filter((device) => ours.test(device)).map((device) => `interface ${device}`);
  const namespaces = existsSync('/run/netns') ? readdirSync('/run/netns').filter((netns) => netns.startsWith(`${name}-`)).map((netns) => `namespace ${netns}`) : [];
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map((line) => line.split(' ')[4] ?? '').filter((path) => mentions(path, site.state)).map((path) => `mount ${path}`);
  const parts = existsSync(site.parts) ? readdirSync(site.parts).filter((part) => partState(site, part).process).map((part) => `part ${part}`) : [];
  return [...processes, ...interfaces, ...namespaces, ...mounts, ...parts];
}

const mentions = (text: string, state: string): boolean => text.includes(`${state}/`);

/** The shells that this command was typed in: their lines may name the state directory, too. */
function ancestors(): number[] {
  const chain: number[] = [];
  for (let pid = process.ppid; pid > 1; ) {
    chain.push(pid);
    try {
      pid = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
    } catch {
      break;
    }
  }
  return chain;
}
