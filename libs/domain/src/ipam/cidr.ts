import { addressBits, formatAddress, parseAddress, type IpAddress, type IpVersion } from './address';

/** A block of addresses: its lowest address and the length of its prefix in bits. */
export interface Cidr { version: IpVersion; network: bigint; prefix: number }

/** Inclusive range of addresses of one version. */
export interface AddressRange { start: bigint; end: bigint }

const hostMask = ({ version, prefix }: Pick<Cidr, 'version' | 'prefix'>): bigint => (1n << BigInt(addressBits(version) - prefix)) - 1n;

/** Reads `address/prefix`; host bits are cut off. Undefined when it is no block. */
export function parseCidr(text: string): Cidr | undefined {
  const at = text.indexOf('/');
  const address = parseAddress(at < 0 ? '' : text.slice(0, at));
  const length = text.slice(at + 1);
  if (!address || !/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > addressBits(address.version)) return undefined;
  const prefix = Number(length);
  const mask = hostMask({ version: address.version, prefix });
  return { version: address.version, prefix, network: address.value & ~mask };
}

export const formatCidr = ({ version, network, prefix }: Cidr): string => `${formatAddress({ version, value: network })}/${prefix}`;
export const lastAddress = (cidr: Cidr): bigint => cidr.network | hostMask(cidr);
export const containsAddress = (cidr: Cidr, { version, value }: IpAddress): boolean =>
  version === cidr.version && (value & ~hostMask(cidr)) === cidr.network;
export const cidrsOverlap = (a: Cidr, b: Cidr): boolean =>
  a.version === b.version && a.network <= lastAddress(b) && b.network <= lastAddress(a);

/** The addresses that hosts may have: in IPv4 neither the block's own address nor its broadcast address (RFC 3021: but /31 and /32). */
export function hostRange(cidr: Cidr): AddressRange {
  const end = lastAddress(cidr);
  if (cidr.version === 4 && cidr.prefix < 31) return { start: cidr.network + 1n, end: end - 1n };
  return { start: cidr.network, end };
}

/** The gateway that a subnet gets when none is given: its first host address. In IPv6 that is the subnet-router anycast address. */
export const defaultGateway = (cidr: Cidr): IpAddress => ({ version: cidr.version, value: hostRange(cidr).start });

/** The address that a card with this MAC gives itself in a /64 (RFC 4291, modified EUI-64). */
export function eui64Address(cidr: Cidr, mac: string): IpAddress {
  const octets = mac.split(':').map((part) => parseInt(part, 16));
  const identifier = [octets[0]! ^ 2, octets[1]!, octets[2]!, 0xff, 0xfe, octets[3]!, octets[4]!, octets[5]!];
  return { version: 6, value: cidr.network | identifier.reduce((value, octet) => (value << 8n) | BigInt(octet), 0n) };
}
