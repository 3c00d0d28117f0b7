import { groupAllows, groupLikes, type GroupPolicy } from './groups';

describe('the policy of a server group', () => {
  it.each<[GroupPolicy, number, string[], string, boolean]>([
    ['affinity', 1, [], 'a', true], ['affinity', 1, ['a'], 'a', true], ['affinity', 1, ['a'], 'b', false],
    ['anti-affinity', 1, [], 'a', true], ['anti-affinity', 1, ['b'], 'a', true], ['anti-affinity', 1, ['a'], 'a', false],
    ['anti-affinity', 2, ['a', 'b'], 'a', true], ['anti-affinity', 2, ['a', 'a'], 'a', false],
    ['soft-affinity', 1, ['a'], 'b', true], ['soft-anti-affinity', 1, ['a'], 'a', true],
  ])('%s, %i a host, with members on %j: %s is allowed: %s', (policy, maxPerHost, members, hostId, allowed) => {
    expect(groupAllows({ policy, maxPerHost }, members, hostId)).toBe(allowed);
  });

  it.each<[GroupPolicy, number, number]>([['affinity', 0, 0], ['anti-affinity', 0, 0], ['soft-affinity', 2, 0], ['soft-anti-affinity', -2, -0]])('%s likes a host with two members as %i', (policy, two, none) => {
    const rule = { policy, maxPerHost: 1 };
    expect([groupLikes(rule, ['a', 'a', 'b'], 'a'), groupLikes(rule, ['a', 'a', 'b'], 'c')]).toEqual([two, none]);
  });
});
