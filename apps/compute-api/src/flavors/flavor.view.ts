import { baseUrl, type FastifyRequest } from '@virga/rest';
import type { Flavor } from './flavor.repository';

export const flavorLinks = (request: FastifyRequest, flavorid: string) => {
  const base = baseUrl(request);
  const id = encodeURIComponent(flavorid);
  return [{ rel: 'self', href: `${base}/v2.1/flavors/${id}` }, { rel: 'bookmark', href: `${base}/flavors/${id}` }];
};

type Field = readonly [from: number, key: string, value: (flavor: Flavor, at: number, request: FastifyRequest) => unknown];

/** Keys of a flavor by the version (2.n) from which they are there, in the order of the answer. */
const DETAIL: readonly Field[] = [
  [1, 'id', (flavor) => flavor.flavorid],
  [1, 'name', (flavor) => flavor.name],
  [1, 'ram', (flavor) => flavor.memory_mb],
  [1, 'disk', (flavor) => flavor.root_gb],
  // Before 2.75 no swap was an empty string.
  [1, 'swap', (flavor, at) => (flavor.swap_mb === 0 && at < 75 ? '' : flavor.swap_mb)],
  [1, 'OS-FLV-EXT-DATA:ephemeral', (flavor) => flavor.ephemeral_gb],
  [1, 'OS-FLV-DISABLED:disabled', (flavor) => flavor.disabled],
  [1, 'vcpus', (flavor) => flavor.vcpus],
  [1, 'os-flavor-access:is_public', (flavor) => flavor.is_public],
  [1, 'rxtx_factor', (flavor) => flavor.rxtx_factor],
  [1, 'links', (flavor, _at, request) => flavorLinks(request, flavor.flavorid)],
  [55, 'description', (flavor) => flavor.description],
  [61, 'extra_specs', (flavor) => flavor.extra_specs],
];
const BRIEF: readonly Field[] = DETAIL.filter(([, key]) => ['id', 'name', 'links', 'description'].includes(key));

const view = (fields: readonly Field[]) => (flavor: Flavor, at: number, request: FastifyRequest) =>
  Object.fromEntries(fields.filter(([from]) => from <= at).map(([, key, value]) => [key, value(flavor, at, request)]));
export const flavorDetail = view(DETAIL);
export const flavorBrief = view(BRIEF);
