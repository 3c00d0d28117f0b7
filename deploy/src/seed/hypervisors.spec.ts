import type { Site } from '../site';
import { waitForHypervisors } from './hypervisors';

const site = { hosts: [{ name: 'host1' }, { name: 'host2' }] } as unknown as Site;
const client = (hosts: Record<string, { state: 'up' | 'down'; forced?: boolean }>) => ({
  request: async (_method: string, _type: string, path: string) => (path.startsWith('/os-hypervisors')
    ? { hypervisors: Object.entries(hosts).map(([name, { state }]) => ({ hypervisor_hostname: name, state, status: 'enabled' })) }
    : { services: Object.entries(hosts).map(([host, { forced }]) => ({ host, forced_down: forced ?? false })) }) as never,
});

it('waits for every host of the machine', async () => {
  expect(await waitForHypervisors(client({ host1: { state: 'up' }, host2: { state: 'up' }, joined: { state: 'down' } }), site, 0)).toBe('2 up');
  await expect(waitForHypervisors(client({ host1: { state: 'up' }, host2: { state: 'down' } }), site, 0)).rejects.toThrow('not up in the API after 0 s: host2');
  await expect(waitForHypervisors(client({ host1: { state: 'up' } }), site, 0)).rejects.toThrow('host2');
});

it('does not wait for one that is forced down, and says so', async () => {
  expect(await waitForHypervisors(client({ host1: { state: 'up' }, host2: { state: 'down', forced: true } }), site, 0)).toMatch(/^1 up; not waited for, because forced down: host2 \(/);
});
