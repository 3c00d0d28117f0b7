import { setTimeout as sleep } from 'node:timers/promises';
import type { Launch } from '../../load-site';
import type { Options } from '../../options';
import { pidsInUtsNamespace, signal } from '../../process/processes';
import { partState, partNames } from '../../process/supervision';
import { deleteHostNamespace, utsInode } from '../../stages/host-namespace';
import { siteAndHost } from './index';

const PATIENCE_MS = 10_000;

/**
 * Cuts a host's power: its supervisors first, so that nothing starts again, then everything in it, guests included. Exit code 0
 * only when nothing of the host runs any more. Repeating it is harmless.
 */
export async function fenceHost(launch: Launch, options: Options): Promise<number> {
  const { site, plan } = siteAndHost(launch, options);
  const began = Date.now();
  const inode = utsInode(plan);
  const parts = partNames(site).filter((name) => name.startsWith(`${plan.name}-`));
  // SIGKILL: a supervisor that is asked to end would ask its part to end in order, and wait.
  for (const name of parts) {
    const { supervisor, process } = partState(site, name);
    for (const ref of [supervisor, process]) if (ref) signal(ref.pid, 'SIGKILL');
  }
  const left = (): number[] => (inode === undefined ? [] : pidsInUtsNamespace(inode));
  while (left().length > 0 && Date.now() - began < PATIENCE_MS) {
    for (const pid of left()) signal(pid, 'SIGKILL');
    await sleep(30);
  }
  if (left().length > 0) throw new Error(`${plan.name} is not off: ${left().length} processes of it still run`);
  // As with a real power cut, nothing in memory outlasts it: the agent will know that the host has booted.
  await deleteHostNamespace(plan);
  process.stdout.write(`${plan.name} is off (${Date.now() - began} ms); ./virga up switches it on again\n`);
  return 0;
}
