import { countWithinQuota, exceeded, quotaMessage } from '.';

const used = { instances: 4, cores: 4, ram: 3584 };
const each = { instances: 1, cores: 2, ram: 512 };

describe('quota', () => {
  it('counts up to the limit itself', () => {
    expect(exceeded({ instances: 5, cores: 6, ram: 4096 }, used, each)).toEqual([]);
    expect(exceeded({ instances: 4, cores: 5, ram: 4095 }, used, each)).toEqual(['cores', 'instances', 'ram']);
    expect(exceeded({ instances: -1, cores: -1, ram: -1 }, used, { instances: 1e6, cores: 1e6, ram: 1e9 })).toEqual([]);
  });

  it('makes as many as fit between the counts', () => {
    const limits = { instances: 10, cores: 10, ram: 51_200 };
    expect(countWithinQuota(limits, used, each, 1, 5)).toEqual({ count: 3, over: [] });
    expect(countWithinQuota(limits, used, each, 4, 5)).toEqual({ count: 0, over: ['cores'] });
    expect(countWithinQuota(limits, used, each, 2, 2)).toEqual({ count: 2, over: [] });
  });

  it('words the refusal', () => {
    const limits = { instances: 0, cores: 20, ram: 51_200 };
    expect(quotaMessage(['instances'], limits, used, each)).toBe('Quota exceeded for instances: Requested 1, but already used 4 of 0 instances');
    expect(quotaMessage(['cores', 'ram'], { instances: 9, cores: 4, ram: 100 }, used, each))
      .toBe('Quota exceeded for cores, ram: Requested 2, 512, but already used 4, 3584 of 4, 100 cores, ram');
  });
});
