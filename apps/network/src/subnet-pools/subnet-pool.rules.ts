import { badRequest } from '@virga/core';
import { addressBits, cidrsOverlap, formatCidr, lastAddress, parseCidr, type Cidr, type IpVersion } from '@virga/domain';

const invalid = (reason: string) => badRequest(`Invalid input for prefixes. Reason: ${reason}.`, { type: 'HTTPBadRequest' });
const illegal = (message: string) => badRequest(message, { type: 'IllegalSubnetPoolPrefixBounds' });

/** Prefixes of one IP version in canonical form, joined where two make one. */
export function readPrefixes(texts: readonly string[]): { version: IpVersion; prefixes: string[] } {
  const blocks = texts.map((text) => {
    const block = parseCidr(text);
    if (!block) throw invalid(`'${text}' is not a valid IP subnet`);
    return block;
  });
  const { version } = blocks[0]!;
  if (blocks.some((block) => block.version !== version)) throw badRequest('Cannot mix IPv4 and IPv6 prefixes in a subnet pool.', { type: 'IllegalSubnetPoolPrefixes' });
  return { version, prefixes: merge(blocks).map(formatCidr) };
}

/** The same addresses in as few blocks as possible, ascending. */
export function merge(blocks: readonly Cidr[]): Cidr[] {
  const merged: Cidr[] = [];
  for (let block of [...blocks].sort((a, b) => (a.network < b.network ? -1 : a.network > b.network ? 1 : a.prefix - b.prefix))) {
    const covered = merged.at(-1);
    if (covered && cidrsOverlap(covered, block)) continue;
    for (let last = merged.at(-1); last && last.prefix === block.prefix && last.prefix > 0; last = merged.at(-1)) {
      const parent = parseCidr(`${formatCidr(last).split('/')[0]}/${last.prefix - 1}`)!;
      if (parent.network !== last.network || !cidrsOverlap(parent, block)) break;
      merged.pop();
      block = parent;
    }
    merged.push(block);
  }
  return merged;
}

export interface Lengths { min_prefixlen: number; max_prefixlen: number; default_prefixlen: number }

/** The lengths that subnets of a pool may have; neutron's defaults are /8 and /64, and up to a single address. */
export function readLengths(version: IpVersion, given: Partial<Lengths>): Lengths {
  const longest = addressBits(version);
  const min = given.min_prefixlen ?? (version === 4 ? 8 : 64);
  const max = given.max_prefixlen ?? longest;
  const standard = given.default_prefixlen ?? min;
  for (const [name, value] of Object.entries({ min, max, default: standard })) {
    if (value > longest) throw illegal(`Illegal prefix bounds: ${name}_prefixlen=${value}, version=IPv${version}.`);
  }
  if (min > max) throw illegal(`Illegal prefix bounds: min_prefixlen=${min}, max_prefixlen=${max}.`);
  if (standard < min) throw illegal(`Illegal prefix bounds: min_prefixlen=${min}, default_prefixlen=${standard}.`);
  if (standard > max) throw illegal(`Illegal prefix bounds: default_prefixlen=${standard}, max_prefixlen=${max}.`);
  return { min_prefixlen: min, max_prefixlen: max, default_prefixlen: standard };
}

export const contains = (outer: Cidr, inner: Cidr): boolean => outer.version === inner.version && outer.prefix <= inner.prefix && cidrsOverlap(outer, inner);

/** The first free block of a length in the pool's prefixes; undefined when none is left. */
export function firstFreeBlock(prefixes: readonly Cidr[], taken: readonly Cidr[], length: number): Cidr | undefined {
  for (const pool of prefixes) {
    if (length < pool.prefix) continue;
    const step = 1n << BigInt(addressBits(pool.version) - length);
    for (let network = pool.network; network <= lastAddress(pool);) {
      const block: Cidr = { version: pool.version, network, prefix: length };
      const hit = taken.find((other) => cidrsOverlap(other, block));
      if (!hit) return block;
      // On to the first place behind the block that is in the way.
      const behind = lastAddress(hit) + 1n;
      network = behind > network + step ? ((behind + step - 1n) / step) * step : network + step;
    }
  }
  return undefined;
}

/** What a subnet counts for in a project's quota of a pool: addresses of IPv4, networks of 64 bits of IPv6. */
export const quotaUnits = ({ version, prefix }: Cidr): bigint => (version === 4 ? 1n << BigInt(32 - prefix) : prefix >= 64 ? 1n : 1n << BigInt(64 - prefix));

/** What is left of a block without another, in blocks. */
export function without(block: Cidr, gone: Cidr): Cidr[] {
  if (!cidrsOverlap(block, gone)) return [block];
  if (gone.prefix <= block.prefix) return [];
  const prefix = block.prefix + 1;
  const half = 1n << BigInt(addressBits(block.version) - prefix);
  return [{ ...block, prefix }, { ...block, prefix, network: block.network + half }].flatMap((part) => without(part, gone));
}
