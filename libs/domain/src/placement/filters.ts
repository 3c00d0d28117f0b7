import type { Candidate, Wish } from './hosts';
import { freeOf, type ResourceName } from './resources';

/** What a filter did; `reason` is a sentence for users and operators. */
export interface FilterResult {
  filter: string;
  before: number;
  removed: number;
  reason: string;
}

interface Filter {
  name: string;
  /** Holds even for an operator who insists on a host. */
  always?: boolean;
  /** False when the wish does not ask for it. */
  asked?: (wish: Wish) => boolean;
  passes: (host: Candidate, wish: Wish) => boolean;
  /** Why `removed` did not pass; there is at least one. */
  reason: (removed: Candidate[], wish: Wish) => string;
}

const largest = (hosts: Candidate[], of: (host: Candidate) => number): number => hosts.reduce((most, host) => Math.max(most, of(host)), 0);
const hostsInWords = (count: number): string => (count === 1 ? '1 host' : `${count} hosts`);

const roomFor = (name: string, resource: ResourceName, unit: string): Filter => ({
  name,
  always: true,
  passes: (host, { resources }) => resources[resource] <= host.inventory[resource] && resources[resource] <= freeOf(host)[resource],
  reason: (removed, { resources }) => {
    const needed = resources[resource];
    const has = largest(removed, (host) => host.inventory[resource]);
    // With an allocation ratio above 1 a host may have free what it could never give to one instance.
    if (needed > has) return `${name}: needs ${needed}${unit}, the largest host has ${has}${unit} (${hostsInWords(removed.length)})`;
    return `${name}: needs ${needed}${unit}, the largest free is ${largest(removed, (host) => freeOf(host)[resource])}${unit} on ${hostsInWords(removed.length)}`;
  },
});

/** In the order in which they run: the cheap and final ones first, room last, since that is what people wait for. */
const FILTERS: Filter[] = [
  {
    name: 'requested_host',
    always: true,
    asked: (wish) => wish.requestedHost !== undefined,
    passes: (host, wish) => host.hostId === wish.requestedHost || host.hostname === wish.requestedHost,
    reason: (removed, wish) => `${hostsInWords(removed.length)} other than the requested ${wish.requestedHost}`,
  },
  {
    name: 'alive',
    always: true,
    passes: (host) => host.alive,
    reason: (removed) => `${hostsInWords(removed.length)} did not report in time: ${namesOf(removed)}`,
  },
  {
    name: 'enabled',
    passes: (host) => host.enabled,
    reason: (removed) => `${hostsInWords(removed.length)} disabled: ${namesOf(removed)}`,
  },
  {
    name: 'availability_zone',
    asked: (wish) => wish.availabilityZone !== undefined,
    passes: (host, wish) => host.availabilityZone === wish.availabilityZone,
    reason: (removed, wish) => `${hostsInWords(removed.length)} outside of the availability zone ${wish.availabilityZone}`,
  },
  {
    name: 'aggregates',
    asked: (wish) => wish.aggregateHostIds !== undefined,
    passes: (host, wish) => wish.aggregateHostIds!.includes(host.hostId),
    reason: (removed) => `${hostsInWords(removed.length)} outside of the aggregates that the flavor and the project ask for: ${namesOf(removed)}`,
  },
  {
    name: 'excluded_hosts',
    always: true,
    asked: (wish) => (wish.excludeHostIds?.length ?? 0) > 0,
    passes: (host, wish) => !wish.excludeHostIds!.includes(host.hostId),
    reason: (removed) => `${hostsInWords(removed.length)} excluded, as an earlier attempt failed there: ${namesOf(removed)}`,
  },
  {
    name: 'affinity',
    asked: (wish) => wish.affinityHostIds !== undefined,
    passes: (host, wish) => wish.affinityHostIds!.includes(host.hostId),
    reason: (removed) => `${hostsInWords(removed.length)} without a member of the server group`,
  },
  {
    name: 'anti_affinity',
    asked: (wish) => (wish.antiAffinityHostIds?.length ?? 0) > 0,
    passes: (host, wish) => !wish.antiAffinityHostIds!.includes(host.hostId),
    reason: (removed) => `${hostsInWords(removed.length)} with a member of the server group`,
  },
  {
    name: 'server_group',
    always: true,
    asked: (wish) => wish.groupHostIds !== undefined,
    passes: (host, wish) => wish.groupHostIds!.includes(host.hostId),
    reason: (removed) => `${hostsInWords(removed.length)} against the policy of the server group: ${namesOf(removed)}`,
  },
  {
    name: 'traits',
    asked: (wish) => (wish.requiredTraits?.length ?? 0) > 0,
    passes: (host, wish) => wish.requiredTraits!.every((trait) => host.traits.includes(trait)),
    reason: (removed, wish) => {
      const absent = wish.requiredTraits!.filter((trait) => removed.some((host) => !host.traits.includes(trait)));
      return `${hostsInWords(removed.length)} without ${absent.join(', ')}`;
    },
  },
  roomFor('vcpus', 'vcpus', ''),
  roomFor('memory', 'memoryMb', ' MB'),
  roomFor('disk', 'diskGb', ' GB'),
];

/** At most five names, so that a sentence stays one on a large site. */
function namesOf(hosts: Candidate[]): string {
  const names = hosts.map((host) => host.hostname);
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
}

/** The hosts that fit, and what each filter that ran did. Filters stop running when no host is left. */
export function filterHosts(hosts: readonly Candidate[], wish: Wish): { hosts: Candidate[]; filters: FilterResult[] } {
  const filters: FilterResult[] = [];
  let left = [...hosts];
  for (const filter of FILTERS) {
    if (left.length === 0) break;
    if ((wish.skipFilters && !filter.always) || (filter.asked && !filter.asked(wish))) continue;
    const kept: Candidate[] = [];
    const removed: Candidate[] = [];
    for (const host of left) (filter.passes(host, wish) ? kept : removed).push(host);
    filters.push({ filter: filter.name, before: left.length, removed: removed.length, reason: removed.length > 0 ? filter.reason(removed, wish) : 'all hosts pass' });
    left = kept;
  }
  return { hosts: left, filters };
}

/** The sentence of a refusal, beginning with nova's words, which clients look for. */
export function refusalMessage(filters: readonly FilterResult[]): string {
  const why = filters.filter(({ removed }) => removed > 0).map(({ filter, before, removed, reason }) => `${filter} removed ${removed} of ${before} (${reason})`);
  return `No valid host was found. ${why.length > 0 ? `${why.join('; ')}.` : 'No compute host has reported yet.'}`;
}
