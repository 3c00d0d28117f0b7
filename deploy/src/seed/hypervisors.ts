import { setTimeout as sleep } from 'node:timers/promises';
import type { Site } from '../site';
import type { RestClient } from './rest-client';

interface Hypervisor { hypervisor_hostname: string; state: string; status: string }

/** The nova-compute services that an administrator or a fence has forced down: they are down whatever their hosts do. */
async function forcedDown(client: Pick<RestClient, 'request'>): Promise<Set<string>> {
  const { services } = await client.request<{ services: { host: string; forced_down: boolean }[] }>('GET', 'compute', '/os-services?binary=nova-compute', { headers: { 'openstack-api-version': 'compute 2.53' } });
  return new Set(services.filter((service) => service.forced_down).map(({ host }) => host));
}

/** Waits until the API shows every host of this machine as up that may be: then a server can be placed there. */
export async function waitForHypervisors(client: Pick<RestClient, 'request'>, site: Site, timeoutMs = 60_000): Promise<string> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const { hypervisors } = await client.request<{ hypervisors: Hypervisor[] }>('GET', 'compute', '/os-hypervisors/detail');
    const forced = await forcedDown(client);
    const notAwaited = site.hosts.filter(({ name }) => forced.has(name)).map(({ name }) => name);
    const missing = site.hosts.filter((host) => !forced.has(host.name) && !hypervisors.some(({ hypervisor_hostname: name, state }) => name === host.name && state === 'up'));
    const up = hypervisors.filter(({ state }) => state === 'up').length;
    if (missing.length === 0) return `${up} up${notAwaited.length === 0 ? '' : `; not waited for, because forced down: ${notAwaited.join(', ')} (openstack compute service set --up HOST nova-compute takes it back)`}`;
    if (Date.now() > deadline) throw new Error(`not up in the API after ${timeoutMs / 1000} s: ${missing.map((host) => host.name).join(', ')}`);
    await sleep(300);
  }
}
