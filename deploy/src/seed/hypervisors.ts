import { setTimeout as sleep } from 'node:timers/promises';
import type { Site } from '../site';
import type { RestClient } from './rest-client';

interface Hypervisor { hypervisor_hostname: string; state: string; status: string }

/** Waits until the API shows every host as up: then a server can be placed there. */
export async function waitForHypervisors(client: RestClient, site: Site, timeoutMs = 60_000): Promise<string> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const { hypervisors } = await client.request<{ hypervisors: Hypervisor[] }>('GET', 'compute', '/os-hypervisors/detail');
    const missing = site.hosts.filter((host) => !hypervisors.some(({ hypervisor_hostname: name, state }) => name === host.name && state === 'up'));
    if (missing.length === 0) return `${hypervisors.length} up`;
    if (Date.now() > deadline) throw new Error(`not up in the API after ${timeoutMs / 1000} s: ${missing.map((host) => host.name).join(', ')}`);
    await sleep(300);
  }
}
