import { isIPv4, isIPv6 } from 'node:net';
import {
  addressAt, addressKey, canonicalAddress, canonicalMac, cidrsOverlap, containsAddress, defaultGateway, defaultPools, eui64Address, firstFree,
  formatAddress, formatCidr, formatRange, hostRange, inRange, lastAddress, parseAddress, parseCidr, parsePool, randomCandidates, totalSize,
  type Cidr, type IpVersion,
} from '.';

/** Reproducible numbers from 0 up to 1 (mulberry32). */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
const randomBits = (random: () => number, bits: number): bigint => {
  let value = 0n;
  // Runs of zeros are what compression is about, so whole groups are zeroed often.
  for (let i = 0; i < bits; i += 16) value = (value << 16n) | (random() < 0.5 ? 0n : BigInt(Math.floor(random() * 65536)));
  return value;
};
const cidr = (text: string): Cidr => parseCidr(text)!;

describe('addresses', () => {
  it.each([
    ['2001:DB8::0:1', '2001:db8::1'], ['::', '::'], ['::1', '::1'], ['1::', '1::'], ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'], ['::ffff:192.0.2.1', '::ffff:c000:201'], ['10.0.0.255', '10.0.0.255'],
  ])('%s is written %s', (text, canonical) => expect(canonicalAddress(text)).toBe(canonical));

  it.each(['', '10.0.0', '10.0.0.256', '010.0.0.1', '10.0.0.1 ', '1.2.3.4.5', '::1::', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7::8', '12345::',
    'fe80::1%eth0', '[::1]', '::1.2.3.4:5', ':', ':::', 'g::', '1:2:3:4:5:6:1.2.3.4:8', '0x10.0.0.1', '١٠.0.0.1'])('%p is no address', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  it('round-trips any number and agrees with the platform on what an address is', () => {
    const random = seeded(7);
    for (let i = 0; i < 3000; i++) {
      const version: IpVersion = random() < 0.5 ? 4 : 6;
      const address = { version, value: randomBits(random, version === 4 ? 32 : 128) };
      const text = formatAddress(address);
      expect(version === 4 ? isIPv4(text) : isIPv6(text)).toBe(true);
      expect(parseAddress(text)).toEqual(address);
      if (version === 6) expect(new URL(`http://[${text}]/`).hostname).toBe(`[${text}]`);
    }
  });

  it('sorts by key as by number', () => {
    const random = seeded(9);
    const values = Array.from({ length: 300 }, () => randomBits(random, 128));
    const byKey = [...values].sort((a, b) => (addressKey({ version: 6, value: a }) < addressKey({ version: 6, value: b }) ? -1 : 1));
    expect(byKey).toEqual([...values].sort((a, b) => (a < b ? -1 : 1)));
  });

  it('takes MACs of single cards only', () => {
    expect(canonicalMac('FA-16-3E-00-00-01')).toBe('fa:16:3e:00:00:01');
    for (const bad of ['01:00:5e:00:00:01', 'ff:ff:ff:ff:ff:ff', '00:00:00:00:00:00', 'fa:16:3e:00:00', 'fa:16:3e:00:00:01\n', 'fa163e000001']) expect(canonicalMac(bad)).toBeUndefined();
  });
});

describe('blocks', () => {
  it('cuts off host bits', () => expect(formatCidr(cidr('10.0.0.77/24'))).toBe('10.0.0.0/24'));
  it.each(['bad', '10.0.0.0', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/08', '::/129', '/24', '10.0.0.0/-1', '10.0.0.0/24/1'])('%p is no block', (text) => expect(parseCidr(text)).toBeUndefined());
  it('holds every address at /0', () => {
    expect(containsAddress(cidr('0.0.0.0/0'), parseAddress('255.255.255.255')!)).toBe(true);
    expect(containsAddress(cidr('0.0.0.0/0'), parseAddress('::1')!)).toBe(false);
  });

  it('overlaps exactly when one block holds the first address of the other', () => {
    const random = seeded(21);
    for (let i = 0; i < 3000; i++) {
      const [a, b] = [0, 1].map(() => cidr(`10.0.${Math.floor(random() * 4)}.${Math.floor(random() * 256)}/${16 + Math.floor(random() * 17)}`)) as [Cidr, Cidr];
      const holds = (outer: Cidr, inner: Cidr) => containsAddress(outer, { version: 4, value: inner.network });
      expect(cidrsOverlap(a, b)).toBe(holds(a, b) || holds(b, a));
      expect(cidrsOverlap(b, a)).toBe(cidrsOverlap(a, b));
    }
  });

  it('gives a card its own address', () => {
    expect(formatAddress(eui64Address(cidr('fd00:77::/64'), 'fa:16:3e:18:48:8c'))).toBe('fd00:77::f816:3eff:fe18:488c');
  });
});

describe('pools', () => {
  const pools = (text: string, gateway?: string) =>
    defaultPools(cidr(text), gateway ? parseAddress(gateway)! : defaultGateway(cidr(text))).map((range) => formatRange(cidr(text).version, range));

  it('leaves out network, broadcast and gateway', () => {
    expect(pools('10.77.0.0/24')).toEqual([{ start: '10.77.0.2', end: '10.77.0.254' }]);
    expect(pools('10.77.0.0/24', '10.77.0.9')).toEqual([{ start: '10.77.0.1', end: '10.77.0.8' }, { start: '10.77.0.10', end: '10.77.0.254' }]);
    expect(pools('fd00:77::/64')).toEqual([{ start: 'fd00:77::1', end: 'fd00:77::ffff:ffff:ffff:ffff' }]);
    expect(pools('10.0.0.0/31', '10.0.0.0')).toEqual([{ start: '10.0.0.1', end: '10.0.0.1' }]);
    expect(pools('10.0.0.0/32')).toEqual([]);
  });

  it('never has an address that no host may have, nor the gateway, and loses no other', () => {
    const random = seeded(5);
    for (let i = 0; i < 500; i++) {
      const block = cidr(`10.1.${Math.floor(random() * 256)}.0/${22 + Math.floor(random() * 8)}`);
      const hosts = hostRange(block);
      const gateway = hosts.start + BigInt(Math.floor(random() * Number(hosts.end - hosts.start)));
      const ranges = defaultPools(block, { version: 4, value: gateway });
      expect(totalSize(ranges)).toBe(hosts.end - hosts.start);
      for (const range of ranges) {
        expect(inRange(range, gateway)).toBe(false);
        expect(range.start > block.network && range.end < lastAddress(block)).toBe(true);
      }
    }
  });

  it('refuses a pool whose ends are reversed or of another version', () => {
    expect(parsePool(4, { start: '10.0.0.9', end: '10.0.0.2' })).toBeUndefined();
    expect(parsePool(4, { start: 'fd00::1', end: 'fd00::2' })).toBeUndefined();
  });

  it('picks only addresses of the pools, and finds the last free one', () => {
    const random = seeded(11);
    const ranges = [{ start: 10n, end: 12n }, { start: 20n, end: 21n }];
    for (let i = 0; i < 200; i++) for (const value of randomCandidates(ranges, 3, random)) expect(ranges.some((range) => inRange(range, value))).toBe(true);
    const used = new Set([10n, 11n, 12n, 20n].map((value) => addressKey({ version: 4, value })));
    expect(firstFree(ranges, 4, used)).toBe(21n);
    expect(firstFree(ranges, 4, new Set([...used, addressKey({ version: 4, value: 21n })]))).toBeUndefined();
    expect(addressAt(ranges, 4n)).toBe(21n);
    expect(addressAt(ranges, 5n)).toBeUndefined();
    expect(randomCandidates([], 3, random)).toEqual([]);
  });
});
