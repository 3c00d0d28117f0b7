import { canonicalAddress, formatCidr, parseAddress, parseCidr } from '../ipam';

export type Direction = 'ingress' | 'egress';
export type Ethertype = 'IPv4' | 'IPv6';

/** What a security group rule lets pass. Null means any. */
export interface Rule {
  direction: Direction;
  ethertype: Ethertype;
  /** A name of PROTOCOL_NUMBERS or a decimal number. */
  protocol: string | null;
  /** Lowest port, or the ICMP type. */
  portMin: number | null;
  /** Highest port, or the ICMP code. */
  portMax: number | null;
  remoteIpPrefix: string | null;
  remoteGroupId: string | null;
}

/** Why a rule is refused: neutron's name of the error, and a sentence. */
export interface RuleFault { type: string; message: string }

/** IANA's numbers of the names that neutron knows. */
export const PROTOCOL_NUMBERS: Readonly<Record<string, number>> = {
  ah: 51, dccp: 33, egp: 8, esp: 50, gre: 47, hopopt: 0, icmp: 1, icmpv6: 58, 'ipv6-icmp': 58, igmp: 2, ipip: 4, 'ipv6-encap': 41, 'ipv6-frag': 44, 'ipv6-nonxt': 59,
  'ipv6-opts': 60, 'ipv6-route': 43, ospf: 89, pgm: 113, rsvp: 46, sctp: 132, tcp: 6, udp: 17, udplite: 136, vrrp: 112,
};
const WITH_PORTS = new Set([6, 17, 33, 132, 136]);
const ONLY_V6 = new Set(['icmpv6', 'ipv6-icmp', 'ipv6-encap', 'ipv6-frag', 'ipv6-nonxt', 'ipv6-opts', 'ipv6-route']);
const ICMP = 1;
const ICMPV6 = 58;

/** The number of a protocol as a packet carries it; ICMP in IPv6 is another one. Undefined when it is no protocol. */
export function protocolNumber(protocol: string, ethertype: Ethertype): number | undefined {
  const name = protocol.toLowerCase();
  const number = Object.hasOwn(PROTOCOL_NUMBERS, name) ? PROTOCOL_NUMBERS[name]! : /^\d{1,3}$/.test(name) && Number(name) < 256 ? Number(name) : undefined;
  return number === ICMP && ethertype === 'IPv6' ? ICMPV6 : number;
}

/** A rule as the user wrote it. */
export interface RuleInput {
  direction: Direction;
  ethertype: Ethertype;
  protocol: string | null;
  portMin: number | null;
  portMax: number | null;
  remoteIpPrefix: string | null;
  remoteGroupId: string | null;
}

function protocolFault(rule: RuleInput, number: number | undefined): RuleFault | undefined {
  if (rule.protocol === null) {
    return rule.portMin === null && rule.portMax === null ? undefined
      : { type: 'SecurityGroupProtocolRequiredWithPorts', message: 'Must also specify protocol if port range is given.' };
  }
  if (number === undefined) {
    return {
      type: 'SecurityGroupRuleInvalidProtocol',
      message: `Security group rule protocol ${rule.protocol} not supported. Only protocol values [${Object.keys(PROTOCOL_NUMBERS).map((name) => `'${name}'`).join(', ')}] and integer representations [0 to 255] are supported.`,
    };
  }
  if (rule.ethertype === 'IPv4' && (ONLY_V6.has(rule.protocol.toLowerCase()) || number === ICMPV6)) {
    return { type: 'SecurityGroupEthertypeConflictWithProtocol', message: `Invalid ethertype IPv4 for protocol ${rule.protocol}.` };
  }
  return undefined;
}

function portFault({ portMin, portMax, protocol }: RuleInput, number: number): RuleFault | undefined {
  if (number === ICMP || number === ICMPV6) {
    for (const [field, attribute, value] of [['type', 'port-range-min', portMin], ['code', 'port-range-max', portMax]] as const) {
      if (value !== null && (value < 0 || value > 255)) return { type: 'SecurityGroupInvalidIcmpValue', message: `Invalid value for ICMP ${field} (${attribute}) ${value}. It must be 0 to 255.` };
    }
    return portMin === null && portMax !== null
      ? { type: 'SecurityGroupMissingIcmpType', message: `ICMP code (port-range-max) ${portMax} is provided but ICMP type (port-range-min) is missing.` } : undefined;
  }
  if (portMin === null && portMax === null) return undefined;
  if (!WITH_PORTS.has(number)) {
    return { type: 'SecurityGroupInvalidProtocolForPort', message: `Invalid protocol ${protocol} for port range, only supported for TCP, UDP, UDPLITE, SCTP and DCCP.` };
  }
  if (portMin === null || portMax === null || portMin < 1 || portMax > 65535 || portMin > portMax) {
    return { type: 'SecurityGroupInvalidPortRange', message: 'For TCP/UDP protocols, port_range_min must be <= port_range_max, and both must lie between 1 and 65535.' };
  }
  return undefined;
}

/** The remote prefix as a block; an address alone is a block of one. Undefined when it is neither. */
export function normalizedPrefix(text: string): string | undefined {
  const address = parseAddress(text);
  if (address) return `${canonicalAddress(text)}/${address.version === 4 ? 32 : 128}`;
  const cidr = parseCidr(text);
  return cidr && formatCidr(cidr);
}

/** Checks a rule; the first thing that is wrong, or undefined. */
export function ruleFault(rule: RuleInput): RuleFault | undefined {
  const wrongPort = [rule.portMin, rule.portMax].find((port) => port !== null && (port < 0 || port > 65535));
  if (wrongPort !== undefined) return { type: 'SecurityGroupInvalidPortValue', message: `Invalid value for port ${wrongPort}` };
  const number = rule.protocol === null ? undefined : protocolNumber(rule.protocol, rule.ethertype);
  const fault = protocolFault(rule, number) ?? (number === undefined ? undefined : portFault(rule, number));
  if (fault) return fault;
  if (rule.remoteIpPrefix === null) return undefined;
  if (rule.remoteGroupId !== null) return { type: 'SecurityGroupRemoteGroupAndRemoteIpPrefix', message: 'Only remote_ip_prefix or remote_group_id may be provided.' };
  const block = normalizedPrefix(rule.remoteIpPrefix);
  if (!block) return { type: 'InvalidInput', message: `Invalid input for operation: ${rule.remoteIpPrefix} is not a valid IP address or block.` };
  if ((parseCidr(block)!.version === 4) !== (rule.ethertype === 'IPv4')) {
    return { type: 'SecurityGroupRuleParameterConflict', message: `Conflicting value ethertype ${rule.ethertype} for CIDR ${rule.remoteIpPrefix}` };
  }
  return undefined;
}

/** The same for two rules that let the same packets pass; of a rule without fault. */
export function ruleFingerprint(rule: RuleInput): string {
  const prefix = rule.remoteIpPrefix === null ? '' : normalizedPrefix(rule.remoteIpPrefix)!;
  return [
    rule.direction, rule.ethertype, rule.protocol === null ? '' : protocolNumber(rule.protocol, rule.ethertype), rule.portMin ?? '', rule.portMax ?? '',
    // Everything is everything, written as a block or not; but neutron keeps both, as the answers show them differently.
    prefix, rule.remoteGroupId ?? '',
  ].join('|');
}
