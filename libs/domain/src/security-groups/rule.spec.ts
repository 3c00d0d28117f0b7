import { normalizedPrefix, protocolNumber, ruleFault, ruleFingerprint, type RuleInput } from '.';

const rule = (changes: Partial<RuleInput> = {}): RuleInput => ({
  direction: 'ingress', ethertype: 'IPv4', protocol: null, portMin: null, portMax: null, remoteIpPrefix: null, remoteGroupId: null, ...changes,
});
const typeOf = (changes: Partial<RuleInput>) => ruleFault(rule(changes))?.type;

describe('security group rules', () => {
  it.each<[string, Partial<RuleInput>]>([
    ['everything', {}],
    ['a port', { protocol: 'tcp', portMin: 22, portMax: 22 }],
    ['all ports of a protocol', { protocol: 'UDP' }],
    ['a protocol by number', { protocol: '47' }],
    ['ICMP by type', { protocol: 'icmp', portMin: 8 }],
    ['ICMP type 0', { protocol: 'icmp', portMin: 0, portMax: 0 }],
    ['ICMP of IPv6', { ethertype: 'IPv6', protocol: 'icmp', portMin: 128 }],
    ['a block', { remoteIpPrefix: '10.0.0.7/8' }],
    ['a group', { remoteGroupId: 'g' }],
  ])('takes %s', (_, changes) => expect(ruleFault(rule(changes))).toBeUndefined());

  it.each<[Partial<RuleInput>, string]>([
    [{ protocol: 'nosuch' }, 'SecurityGroupRuleInvalidProtocol'],
    [{ protocol: '256' }, 'SecurityGroupRuleInvalidProtocol'],
    [{ protocol: '-1' }, 'SecurityGroupRuleInvalidProtocol'],
    [{ protocol: '__proto__' }, 'SecurityGroupRuleInvalidProtocol'],
    [{ portMin: 22, portMax: 22 }, 'SecurityGroupProtocolRequiredWithPorts'],
    [{ protocol: 'gre', portMin: 1, portMax: 2 }, 'SecurityGroupInvalidProtocolForPort'],
    [{ protocol: 'tcp', portMin: 23, portMax: 22 }, 'SecurityGroupInvalidPortRange'],
    [{ protocol: 'tcp', portMin: 22 }, 'SecurityGroupInvalidPortRange'],
    [{ protocol: 'tcp', portMin: 0, portMax: 22 }, 'SecurityGroupInvalidPortRange'],
    [{ protocol: 'tcp', portMin: 22, portMax: 65536 }, 'SecurityGroupInvalidPortValue'],
    [{ protocol: 'icmp', portMin: -1, portMax: 25 }, 'SecurityGroupInvalidPortValue'],
    [{ protocol: 'icmp', portMin: 256 }, 'SecurityGroupInvalidIcmpValue'],
    [{ protocol: 'icmp', portMax: 1 }, 'SecurityGroupMissingIcmpType'],
    [{ protocol: 'icmpv6' }, 'SecurityGroupEthertypeConflictWithProtocol'],
    [{ protocol: '58' }, 'SecurityGroupEthertypeConflictWithProtocol'],
    [{ remoteIpPrefix: 'fd00::/8' }, 'SecurityGroupRuleParameterConflict'],
    [{ ethertype: 'IPv6', remoteIpPrefix: '10.0.0.0/8' }, 'SecurityGroupRuleParameterConflict'],
    [{ remoteIpPrefix: '10.0.0.0/33' }, 'InvalidInput'],
    [{ remoteIpPrefix: '10.0.0.0/8 || ip4' }, 'InvalidInput'],
    [{ remoteIpPrefix: '10.0.0.0/8', remoteGroupId: 'g' }, 'SecurityGroupRemoteGroupAndRemoteIpPrefix'],
  ])('refuses %p: %s', (changes, type) => expect(typeOf(changes)).toBe(type));

  it('knows two ways to write one rule as the same', () => {
    const prints = (a: Partial<RuleInput>, b: Partial<RuleInput>) => [ruleFingerprint(rule(a)), ruleFingerprint(rule(b))];
    expect(new Set(prints({ protocol: 'tcp', portMin: 80, portMax: 80 }, { protocol: '6', portMin: 80, portMax: 80 })).size).toBe(1);
    expect(new Set(prints({ remoteIpPrefix: '10.0.0.1/24' }, { remoteIpPrefix: '10.0.0.0/24' })).size).toBe(1);
    expect(new Set(prints({ remoteIpPrefix: '10.0.0.1' }, { remoteIpPrefix: '10.0.0.1/32' })).size).toBe(1);
    expect(new Set(prints({ protocol: 'icmp', ethertype: 'IPv6' }, { protocol: 'ipv6-icmp', ethertype: 'IPv6' })).size).toBe(1);
  });

  it('tells rules apart by every field', () => {
    const base: Partial<RuleInput> = { protocol: 'tcp', portMin: 80, portMax: 81, remoteIpPrefix: '10.0.0.0/8' };
    const variants: Partial<RuleInput>[] = [
      base, { ...base, direction: 'egress' }, { ...base, protocol: 'udp' }, { ...base, portMin: 79 }, { ...base, portMax: 82 }, { ...base, remoteIpPrefix: '10.0.0.0/9' },
      { ...base, remoteIpPrefix: null }, { ...base, remoteIpPrefix: null, remoteGroupId: 'g' }, { ...base, remoteIpPrefix: null, remoteGroupId: 'h' }, { ethertype: 'IPv6', protocol: 'tcp', portMin: 80, portMax: 81 },
    ];
    expect(new Set(variants.map((changes) => ruleFingerprint(rule(changes)))).size).toBe(variants.length);
  });

  it('numbers protocols as packets carry them', () => {
    expect(protocolNumber('icmp', 'IPv4')).toBe(1);
    expect(protocolNumber('icmp', 'IPv6')).toBe(58);
    expect(protocolNumber('1', 'IPv6')).toBe(58);
    expect(normalizedPrefix('FD00::1')).toBe('fd00::1/128');
  });
});
