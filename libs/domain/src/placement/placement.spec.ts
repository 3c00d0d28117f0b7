import { capacityOf, filterHosts, freeOf, NOTHING, plus, minus, rankHosts, refusalMessage, seededRandom, type Candidate, type Wish } from './index';

const host = (over: Partial<Candidate> & { hostId: string }): Candidate => ({
  hostname: `name-${over.hostId}`, availabilityZone: 'nova', enabled: true, alive: true, inventory: { vcpus: 4, memoryMb: 4096, diskGb: 100 },
  capacity: { vcpus: 16, memoryMb: 4096, diskGb: 100 }, used: NOTHING, traits: [], ...over,
});
const small: Wish = { resources: { vcpus: 1, memoryMb: 512, diskGb: 1 } };
const idsOf = (hosts: Candidate[]): string[] => hosts.map(({ hostId }) => hostId);

describe('capacity', () => {
  test('is what the host has less what it keeps, times the ratio', () => {
    expect(capacityOf({ vcpus: 4, memoryMb: 8000, diskGb: 100 }, { vcpus: 1, memoryMb: 512, diskGb: 0 }, { vcpus: 4, memoryMb: 1.5, diskGb: 1 }))
      .toEqual({ vcpus: 12, memoryMb: 11232, diskGb: 100 });
  });
  test('is never negative and never rounded up', () => {
    expect(capacityOf({ vcpus: 1, memoryMb: 100, diskGb: 3 }, { vcpus: 0, memoryMb: 512, diskGb: 0 }, { vcpus: 1.9, memoryMb: 1, diskGb: 0.5 }))
      .toEqual({ vcpus: 1, memoryMb: 0, diskGb: 1 });
  });
  test('plus and minus undo each other', () => {
    const a = { vcpus: 3, memoryMb: 700, diskGb: 9 };
    const b = { vcpus: 2, memoryMb: 800, diskGb: 1 };
    expect(minus(plus(a, b), b)).toEqual(a);
    expect(freeOf({ capacity: a, used: b })).toEqual({ vcpus: 1, memoryMb: -100, diskGb: 8 });
  });
});

describe('filters', () => {
  test.each<[string, Partial<Candidate>, Partial<Wish>, RegExp]>([
    ['enabled', { enabled: false }, {}, /^1 host disabled: name-bad$/],
    ['alive', { alive: false }, {}, /^1 host did not report in time: name-bad$/],
    ['availability_zone', { availabilityZone: 'west' }, { availabilityZone: 'nova' }, /^1 host outside of the availability zone nova$/],
    ['requested_host', {}, { requestedHost: 'name-good' }, /^1 host other than the requested name-good$/],
    ['requested_host', {}, { requestedHost: 'good' }, /requested good$/],
    ['excluded_hosts', {}, { excludeHostIds: ['bad'] }, /^1 host excluded.*name-bad$/],
    ['affinity', {}, { affinityHostIds: ['good', 'other'] }, /^1 host without a member/],
    ['anti_affinity', {}, { antiAffinityHostIds: ['bad'] }, /^1 host with a member/],
    ['traits', { traits: ['HW_CPU_X86_AVX2'] }, { requiredTraits: ['HW_CPU_X86_AVX2', 'CUSTOM_SSD'] }, /^1 host without CUSTOM_SSD$/],
    ['vcpus', { used: { vcpus: 16, memoryMb: 0, diskGb: 0 } }, {}, /^vcpus: needs 1, the largest free is 0 on 1 host$/],
    ['vcpus', { inventory: { vcpus: 1, memoryMb: 4096, diskGb: 100 } }, { resources: { ...small.resources, vcpus: 2 } }, /^vcpus: needs 2, the largest host has 1 \(1 host\)$/],
    ['memory', { used: { vcpus: 0, memoryMb: 3600, diskGb: 0 } }, {}, /^memory: needs 512 MB, the largest free is 496 MB on 1 host$/],
    ['disk', { used: { vcpus: 0, memoryMb: 0, diskGb: 100 } }, {}, /^disk: needs 1 GB, the largest free is 0 GB on 1 host$/],
  ])('%s removes what does not fit and says why', (filter, bad, wish, reason) => {
    const { hosts, filters } = filterHosts(
      [host({ hostId: 'good', traits: ['HW_CPU_X86_AVX2', 'CUSTOM_SSD'] }), host({ hostId: 'bad', ...bad })], { ...small, ...wish },
    );
    expect(idsOf(hosts)).toEqual(['good']);
    expect(filters.filter(({ removed }) => removed > 0)).toEqual([{ filter, before: 2, removed: 1, reason: expect.stringMatching(reason) }]);
  });

  test('run in order, count what is left, and stop when nothing is', () => {
    const { hosts, filters } = filterHosts(
      [host({ hostId: 'a', enabled: false }), host({ hostId: 'b', used: { vcpus: 0, memoryMb: 4000, diskGb: 0 } }), host({ hostId: 'c', used: { vcpus: 0, memoryMb: 3284, diskGb: 0 } })],
      { resources: { vcpus: 1, memoryMb: 4096, diskGb: 1000 } },
    );
    expect(hosts).toEqual([]);
    expect(filters).toEqual([
      { filter: 'alive', before: 3, removed: 0, reason: 'all hosts pass' },
      { filter: 'enabled', before: 3, removed: 1, reason: '1 host disabled: name-a' },
      { filter: 'vcpus', before: 2, removed: 0, reason: 'all hosts pass' },
      { filter: 'memory', before: 2, removed: 2, reason: 'memory: needs 4096 MB, the largest free is 812 MB on 2 hosts' },
    ]);
    expect(refusalMessage(filters)).toBe(
      'No valid host was found. enabled removed 1 of 3 (1 host disabled: name-a); memory removed 2 of 2 (memory: needs 4096 MB, the largest free is 812 MB on 2 hosts).',
    );
  });

  test('without any host the refusal says so', () => {
    expect(refusalMessage(filterHosts([], small).filters)).toBe('No valid host was found. No compute host has reported yet.');
  });

  test('many hosts stay one sentence', () => {
    const { filters } = filterHosts(Array.from({ length: 300 }, (_, i) => host({ hostId: `h${i}`, alive: false })), small);
    expect(filters[0]!.reason).toBe('300 hosts did not report in time: name-h0, name-h1, name-h2, name-h3, name-h4 and 295 more');
  });

  test('an operator who insists gets a disabled host of another zone, but neither a dead nor a full one', () => {
    const wish: Wish = { ...small, requestedHost: 'x', availabilityZone: 'nova', requiredTraits: ['T'], skipFilters: true };
    expect(idsOf(filterHosts([host({ hostId: 'x', enabled: false, availabilityZone: 'west' })], wish).hosts)).toEqual(['x']);
    expect(filterHosts([host({ hostId: 'x', alive: false })], wish).hosts).toEqual([]);
    expect(filterHosts([host({ hostId: 'x', used: { vcpus: 0, memoryMb: 4096, diskGb: 0 } })], wish).hosts).toEqual([]);
    expect(filterHosts([host({ hostId: 'y' })], wish).hosts).toEqual([]);
  });

  test('an affinity policy without any host so far forbids all; its absence forbids none', () => {
    expect(filterHosts([host({ hostId: 'a' })], { ...small, affinityHostIds: [] }).hosts).toEqual([]);
    expect(filterHosts([host({ hostId: 'a' })], { ...small, antiAffinityHostIds: [] }).hosts).toHaveLength(1);
  });
});

describe('rank', () => {
  test('most free memory first', () => {
    const used = (memoryMb: number) => ({ used: { vcpus: 0, memoryMb, diskGb: 0 } });
    expect(idsOf(rankHosts([host({ hostId: 'a', ...used(2000) }), host({ hostId: 'b', ...used(10) }), host({ hostId: 'c', ...used(3000) })], 's'))).toEqual(['b', 'a', 'c']);
  });
  test('equals by lot: the same for the same seed, about even over many', () => {
    const hosts = ['a', 'b', 'c'].map((hostId) => host({ hostId }));
    expect(rankHosts(hosts, 'seed')).toEqual(rankHosts(hosts, 'seed'));
    const first = new Map<string, number>();
    for (let i = 0; i < 3000; i++) {
      const [{ hostId }] = rankHosts(hosts, `seed-${i}`) as [Candidate];
      first.set(hostId, (first.get(hostId) ?? 0) + 1);
    }
    for (const count of first.values()) expect(Math.abs(count - 1000)).toBeLessThan(200);
    expect(first.size).toBe(3);
  });
});

describe('for any site and wish', () => {
  const random = seededRandom('sites');
  const whole = (below: number): number => Math.floor(random() * below);
  const chance = (of: number): boolean => random() < of;
  const subset = <T>(items: T[]): T[] => items.filter(() => chance(0.5));
  const TRAITS = ['T1', 'T2'];
  const anyHost = (i: number): Candidate => {
    const inventory = { vcpus: whole(9), memoryMb: whole(9) * 512, diskGb: whole(50) };
    const capacity = capacityOf(inventory, { vcpus: 0, memoryMb: whole(3) * 256, diskGb: 0 }, { vcpus: 1 + whole(4), memoryMb: 1 + random(), diskGb: 1 });
    return {
      hostId: `h${i}`, hostname: `n${i}`, availabilityZone: chance(0.5) ? 'east' : 'west', enabled: chance(0.8), alive: chance(0.8), inventory, capacity,
      used: { vcpus: whole(capacity.vcpus + 2), memoryMb: whole(capacity.memoryMb + 2), diskGb: whole(capacity.diskGb + 2) }, traits: subset(TRAITS),
    };
  };
  const anyWish = (hosts: Candidate[]): Wish => {
    const ids = hosts.map(({ hostId }) => hostId);
    return {
      resources: { vcpus: whole(5), memoryMb: whole(2048), diskGb: whole(20) },
      ...(chance(0.3) && { availabilityZone: 'east' }), ...(chance(0.2) && { requestedHost: `n${whole(8)}` }), ...(chance(0.1) && { skipFilters: true }),
      ...(chance(0.3) && { excludeHostIds: subset(ids) }), ...(chance(0.2) && { affinityHostIds: subset(ids) }),
      ...(chance(0.2) && { antiAffinityHostIds: subset(ids) }), ...(chance(0.3) && { requiredTraits: subset(TRAITS) }),
    };
  };

  test('each kept host fits, each removed one does not, and the table adds up', () => {
    let kept = 0;
    let refused = 0;
    for (let round = 0; round < 2000; round++) {
      const all = Array.from({ length: whole(8) }, (_, i) => anyHost(i));
      const wish = anyWish(all);
      const { hosts, filters } = filterHosts(all, wish);
      const insist = wish.skipFilters ?? false;
      // Said again in one expression, as an oracle for the table of filters.
      const fits = (c: Candidate): boolean => c.alive
        && (wish.requestedHost === undefined || [c.hostId, c.hostname].includes(wish.requestedHost))
        && !(wish.excludeHostIds ?? []).includes(c.hostId)
        && (insist || (c.enabled && [undefined, c.availabilityZone].includes(wish.availabilityZone)
          && (wish.affinityHostIds ?? [c.hostId]).includes(c.hostId) && !(wish.antiAffinityHostIds ?? []).includes(c.hostId)
          && (wish.requiredTraits ?? []).every((trait) => c.traits.includes(trait))))
        && (['vcpus', 'memoryMb', 'diskGb'] as const).every((r) => wish.resources[r] <= c.inventory[r] && c.used[r] + wish.resources[r] <= c.capacity[r]);
      expect(hosts).toEqual(all.filter(fits));
      let before = all.length;
      for (const result of filters) {
        expect(result.before).toBe(before);
        before -= result.removed;
        expect(result.reason).not.toBe('');
      }
      expect(before).toBe(hosts.length);
      if (hosts.length > 0) kept++; else refused++;
      expect(idsOf(rankHosts(hosts, String(round))).sort()).toEqual(idsOf(hosts).sort());
    }
    expect(kept).toBeGreaterThan(100);
    expect(refused).toBeGreaterThan(100);
  });
});
