import { addressKey, formatAddress, parseAddress, type IpAddress, type IpVersion } from './address';
import { hostRange, type AddressRange, type Cidr } from './cidr';

/** An allocation pool as the API shows it. */
export interface Pool { start: string; end: string }

/** All host addresses but the gateway's. In IPv6 the subnet-router anycast address (the lowest) is left out, too. */
export function defaultPools(cidr: Cidr, gateway: IpAddress | null): AddressRange[] {
  let { start, end } = hostRange(cidr);
  if (cidr.version === 6 && cidr.prefix < 127) start += 1n;
  if (!gateway || gateway.value < start || gateway.value > end) return start > end ? [] : [{ start, end }];
  const around = [{ start, end: gateway.value - 1n }, { start: gateway.value + 1n, end }];
  return around.filter((range) => range.start <= range.end);
}

export const formatRange = (version: IpVersion, { start, end }: AddressRange): Pool =>
  ({ start: formatAddress({ version, value: start }), end: formatAddress({ version, value: end }) });

/** Undefined when an end is no address of the version, or the ends are the wrong way round. */
export function parsePool(version: IpVersion, pool: Pool): AddressRange | undefined {
  const [start, end] = [parseAddress(pool.start), parseAddress(pool.end)];
  if (start?.version !== version || end?.version !== version || start.value > end.value) return undefined;
  return { start: start.value, end: end.value };
}

export const inRange = ({ start, end }: AddressRange, value: bigint): boolean => start <= value && value <= end;
export const rangesOverlap = (a: AddressRange, b: AddressRange): boolean => a.start <= b.end && b.start <= a.end;
export const rangeSize = ({ start, end }: AddressRange): bigint => end - start + 1n;
export const totalSize = (ranges: readonly AddressRange[]): bigint => ranges.reduce((sum, range) => sum + rangeSize(range), 0n);

/** The address at a position (0-based) of all pools in a row. */
export function addressAt(ranges: readonly AddressRange[], position: bigint): bigint | undefined {
  for (const range of ranges) {
    const size = rangeSize(range);
    if (position < size) return range.start + position;
    position -= size;
  }
  return undefined;
}

/**
 * Candidates at random places, so that many who ask at once seldom want the same address.
 * @param random a number from 0 up to 1
 */
export function randomCandidates(ranges: readonly AddressRange[], count: number, random: () => number): bigint[] {
  const size = totalSize(ranges);
  if (size === 0n) return [];
  const picked = new Set<bigint>();
  for (let i = 0; i < count; i++) {
    const high = BigInt(Math.floor(random() * 0x100000000));
    const low = BigInt(Math.floor(random() * 0x100000000));
    picked.add(addressAt(ranges, ((high << 32n) | low) % size)!);
  }
  return [...picked];
}

/** The lowest address of the pools that is not used; undefined when none is left. `used` holds addressKey texts. */
export function firstFree(ranges: readonly AddressRange[], version: IpVersion, used: ReadonlySet<string>): bigint | undefined {
  for (const { start, end } of ranges) {
    for (let value = start; value <= end; value++) if (!used.has(addressKey({ version, value }))) return value;
  }
  return undefined;
}
