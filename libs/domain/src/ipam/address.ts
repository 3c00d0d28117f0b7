export type IpVersion = 4 | 6;

/** An address as a number; 32 or 128 bits wide. */
export interface IpAddress { version: IpVersion; value: bigint }

export const addressBits = (version: IpVersion): number => (version === 4 ? 32 : 128);

const OCTET = /^(0|[1-9]\d{0,2})$/;
const GROUP = /^[0-9a-f]{1,4}$/i;

function parseV4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    if (!OCTET.test(part) || Number(part) > 255) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function parseGroups(text: string): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (part.includes('.')) {
      const tail = index === parts.length - 1 ? parseV4(part) : undefined;
      if (tail === undefined) return undefined;
      groups.push(Number(tail >> 16n), Number(tail & 0xffffn));
    } else {
      if (!GROUP.test(part)) return undefined;
      groups.push(parseInt(part, 16));
    }
  }
  return groups;
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!);
  const tail = halves.length === 2 ? parseGroups(halves[1]!) : [];
  if (!head || !tail) return undefined;
  const zeros = 8 - head.length - tail.length;
  if (halves.length === 2 ? zeros < 1 : zeros !== 0) return undefined;
  return [...head, ...Array<number>(zeros).fill(0), ...tail].reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

/** Reads an address strictly: no leading zeros, zones, brackets or spaces. Undefined when it is none. */
export function parseAddress(text: string): IpAddress | undefined {
  if (text.length > 45) return undefined;
  const version: IpVersion = text.includes(':') ? 6 : 4;
  const value = version === 6 ? parseV6(text) : parseV4(text);
  return value === undefined ? undefined : { version, value };
}

/** The canonical form: dotted decimals, or RFC 5952 for IPv6. */
export function formatAddress({ version, value }: IpAddress): string {
  if (version === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => Number((value >> BigInt(112 - 16 * index)) & 0xffffn));
  let [start, length] = [0, 0];
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) [start, length] = [i, end - i];
    i = Math.max(i, end - 1);
  }
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  return length < 2 ? hex(groups) : `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

/** Canonical text of an address text; undefined when it is none. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return address && formatAddress(address);
}

/** 32 hexadecimal digits that sort as the addresses of one version do. */
export const addressKey = ({ value }: IpAddress): string => value.toString(16).padStart(32, '0');
export const addressOfKey = (version: IpVersion, key: string): IpAddress => ({ version, value: BigInt(`0x${key}`) });

const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;
/** Lower-case, colon-separated MAC of an individual card; undefined for anything else (group addresses, all zero). */
export function canonicalMac(text: string): string | undefined {
  const mac = text.toLowerCase().replaceAll('-', ':');
  if (!MAC.test(mac) || mac === '00:00:00:00:00:00') return undefined;
  return parseInt(mac.slice(0, 2), 16) & 1 ? undefined : mac;
}
