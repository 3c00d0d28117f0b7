import { placementContract, type FilterResult, type HostReport, type PlacementRequest, type Resources } from '@virga/contracts';
import { conflict, newUuid } from '@virga/core';
import { groupAllows, groupLikes } from '@virga/domain';
import type { Bus } from '@virga/rpc';

/** A scheduler in miniature: first host with room, exact books, the same refusals. */
export class FakePlacement {
  readonly hosts = new Map<string, { hostId: string; hostname: string; enabled: boolean; inventory: Resources; zone?: string }>();
  readonly claims = new Map<string, { hostId: string; resources: Resources; groupId?: string }>();
  /** Every call in order, for tests that count. */
  readonly log: string[] = [];
  /** What each claim asked for, in order. */
  readonly wishes: PlacementRequest[] = [];
  /** Which of the hosts that are left is taken. */
  choose = <H>(hosts: readonly H[]): H | undefined => hosts[0];

  addHost(hostname: string, inventory: Resources = { vcpus: 64, memoryMb: 65_536, diskGb: 1000 }): string {
    const hostId = newUuid();
    this.hosts.set(hostId, { hostId, hostname, enabled: true, inventory });
    return hostId;
  }

  usedOn(hostId: string): Resources {
    const used = { vcpus: 0, memoryMb: 0, diskGb: 0 };
    for (const claim of this.claims.values()) {
      if (claim.hostId !== hostId) continue;
      used.vcpus += claim.resources.vcpus; used.memoryMb += claim.resources.memoryMb; used.diskGb += claim.resources.diskGb;
    }
    return used;
  }

  claim(request: PlacementRequest): { hostId: string; hostname: string } {
    this.log.push(`claim ${request.consumerId}`);
    this.wishes.push(request);
    const held = this.claims.get(request.consumerId);
    if (held) return { hostId: held.hostId, hostname: this.hosts.get(held.hostId)!.hostname };
    const filters: FilterResult[] = [];
    let left = [...this.hosts.values()];
    const filter = (name: string, reason: string, keep: (host: (typeof left)[number]) => boolean) => {
      const before = left.length;
      left = left.filter(keep);
      filters.push({ filter: name, before, removed: before - left.length, reason });
    };
    filter('ComputeFilter', 'disabled', ({ enabled }) => enabled);
    filter('AvailabilityZoneFilter', `not ${request.availabilityZone}`, ({ zone = 'nova' }) => request.availabilityZone === undefined || zone === request.availabilityZone);
    filter('AggregatesFilter', 'not in the aggregates', ({ hostId }) => request.skipFilters || request.aggregateHostIds === undefined || request.aggregateHostIds.includes(hostId));
    filter('ExcludedHosts', 'they have failed before', ({ hostId }) => !(request.excludeHostIds ?? []).includes(hostId));
    filter('RequestedHost', `not ${request.requestedHost}`, ({ hostId, hostname }) => request.requestedHost === undefined || [hostId, hostname].includes(request.requestedHost));
    const { group } = request;
    const members = group ? [...this.claims].filter(([consumer, { groupId }]) => groupId === group.id && !group.except.includes(consumer)).map(([, claim]) => claim.hostId) : [];
    filter('ServerGroupFilter', 'against the policy of the server group', ({ hostId }) => !group || group.force === true || groupAllows(group, members, hostId));
    filter('RamFilter', `${request.resources.memoryMb} MB asked for`, ({ hostId, inventory }) => this.usedOn(hostId).memoryMb + request.resources.memoryMb <= inventory.memoryMb);
    if (group) left.sort((a, b) => groupLikes(group, members, b.hostId) - groupLikes(group, members, a.hostId));
    const chosen = this.choose(left);
    if (!chosen) throw conflict('No valid host was found.', { type: 'NoValidHost', details: { filters } });
    this.claims.set(request.consumerId, { hostId: chosen.hostId, resources: request.resources, ...(group && { groupId: group.id }) });
    return { hostId: chosen.hostId, hostname: chosen.hostname };
  }

  private take({ hostId, hostname, enabled, inventory, availabilityZone: zone = 'nova' }: HostReport): void {
    this.hosts.set(hostId, { hostId, hostname, enabled, inventory, zone });
  }

  async serve(bus: Bus): Promise<void> {
    await bus.serve(placementContract, {
      claim: async (request) => this.claim(request),
      transfer: async ({ from, to, onHost }) => {
        this.log.push(`transfer ${from} ${to}`);
        const held = this.claims.get(from);
        if (onHost !== undefined && held?.hostId !== onHost) return { transferred: false };
        if (held) this.claims.set(to, held);
        return { transferred: this.claims.delete(from) };
      },
      release: async ({ consumerId }) => { this.log.push(`release ${consumerId}`); return { released: this.claims.delete(consumerId) }; },
      reportHost: async (report) => { this.take(report); return {}; },
      reportHosts: async ({ hosts }) => { hosts.forEach((report) => this.take(report)); return {}; },
      setHostZones: async ({ hosts }) => {
        for (const { hostId, availabilityZone } of hosts) Object.assign(this.hosts.get(hostId) ?? {}, { zone: availabilityZone });
        return {};
      },
      setHostEnabled: async ({ hostId, enabled }) => { const host = this.hosts.get(hostId); if (host) host.enabled = enabled; return {}; },
      removeHost: async ({ hostId }) => { this.hosts.delete(hostId); return {}; },
      whoAnswers: async () => ({ hostname: 'scheduler1' }),
      hosts: async () => ({
        hosts: [...this.hosts.values()].map((host) => ({ ...host, availabilityZone: 'nova', alive: true, used: this.usedOn(host.hostId) })),
      }),
      allocations: async ({ hostId }) => ({
        allocations: [...this.claims].filter(([, claim]) => hostId === undefined || claim.hostId === hostId).map(([consumerId, claim]) => ({ consumerId, ...claim })),
      }),
    });
  }
}
