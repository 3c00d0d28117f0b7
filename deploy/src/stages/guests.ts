import { setTimeout as sleep } from 'node:timers/promises';
import { commOf, pidsInUtsNamespace, signal } from '../process/processes';
import type { HostPlan } from '../site';
import { runInHost, utsInode } from './host-namespace';

const virsh = (host: HostPlan, ...args: string[]): ReturnType<typeof runInHost> =>
  runInHost(host, ['virsh', '--quiet', '--connect', 'qemu:///system', ...args], 30_000, [0, 1]);

async function runningDomains(host: HostPlan): Promise<string[]> {
  const { stdout } = await virsh(host, 'list', '--name', '--state-running', '--state-paused', '--state-other');
  return stdout.split('\n').map((line) => line.trim()).filter(Boolean);
}

/**
 * Shuts a host's guests down: each is asked first (ACPI; not if `patienceMs` is 0), and switched off when it has not
 * listened in time. Needs the
 * host's libvirtd. Returns how many were asked and how many were switched off.
 */
export async function shutDownGuests(host: HostPlan, patienceMs: number): Promise<{ asked: number; forced: number }> {
  if (utsInode(host) === undefined) return { asked: 0, forced: 0 };
  const domains = await runningDomains(host);
  if (patienceMs > 0) await Promise.all(domains.map((domain) => virsh(host, 'shutdown', domain)));
  const deadline = Date.now() + patienceMs;
  let left = domains;
  while (left.length > 0 && Date.now() < deadline) {
    await sleep(300);
    left = await runningDomains(host);
  }
  await Promise.all(left.map((domain) => virsh(host, 'destroy', domain)));
  return { asked: domains.length, forced: left.length };
}

/** Ends whatever still runs in a host: proxies that the agent left, emulators without a libvirtd. */
export async function endHostProcesses(host: HostPlan): Promise<string[]> {
  const inode = utsInode(host);
  if (inode === undefined) return [];
  const pids = pidsInUtsNamespace(inode);
  const names = pids.map(commOf);
  for (const [name, patienceMs] of [['SIGTERM', 3_000], ['SIGKILL', 3_000]] as const) {
    for (const pid of pidsInUtsNamespace(inode)) signal(pid, name);
    const deadline = Date.now() + patienceMs;
    while (pidsInUtsNamespace(inode).length > 0 && Date.now() < deadline) await sleep(30);
  }
  return names;
}
