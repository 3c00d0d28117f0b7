import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../deploy/src/run-command';
import type { HostPlan } from '../../deploy/src/site';
import { runInHost } from '../../deploy/src/stages/host-namespace';

export interface Ends { source: HostPlan; destination: HostPlan }

/** The source's link to the other hosts and to the control plane is down. */
export async function silence({ source }: Ends, ms: number): Promise<void> {
  const link = source.links.management.outside;
  await run('ip', ['link', 'set', link, 'down']);
  try { await sleep(ms); } finally { await run('ip', ['link', 'set', link, 'up']); }
}

/** Whatever the source sends to the destination by TCP is answered with a reset. */
export async function reset({ source, destination }: Ends, ms: number): Promise<void> {
  const rules = `table inet virga_trial { chain input { type filter hook input priority 0; ip saddr ${source.managementAddress} meta l4proto tcp reject with tcp reset; }; }`;
  await runInHost(destination, ['/bin/bash', '-c', `nft -f - <<< '${rules}'`]);
  try { await sleep(ms); } finally { await runInHost(destination, ['nft', 'delete', 'table', 'inet', 'virga_trial']); }
}
