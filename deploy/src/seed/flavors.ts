import type { RestClient } from './rest-client';

/** The classic ids and names; m1.tiny is made for the tiny guest. MB, vCPUs, GB. */
export const FLAVORS = [
  { id: '1', name: 'm1.tiny', ram: 128, vcpus: 1, disk: 1 },
  { id: '2', name: 'm1.small', ram: 2048, vcpus: 1, disk: 20 },
  { id: '3', name: 'm1.medium', ram: 4096, vcpus: 2, disk: 40 },
  { id: '4', name: 'm1.large', ram: 8192, vcpus: 4, disk: 80 },
  { id: '5', name: 'm1.xlarge', ram: 16_384, vcpus: 8, disk: 160 },
] as const;

/** Makes the flavors whose id and name are both free: what an operator has changed stays. */
export async function seedFlavors(client: RestClient): Promise<string> {
  const { flavors } = await client.request<{ flavors: { id: string; name: string }[] }>('GET', 'compute', '/flavors/detail?is_public=None');
  const missing = FLAVORS.filter(({ id, name }) => !flavors.some((known) => known.id === id || known.name === name));
  for (const flavor of missing) await client.request('POST', 'compute', '/flavors', { body: { flavor } });
  return missing.length === 0 ? 'there' : `${missing.length} made`;
}
