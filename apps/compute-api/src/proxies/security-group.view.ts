/** A rule as the network service shows it. */
export interface NetworkRule {
  id: string; direction: string; ethertype: string; protocol: string | null; port_range_min: number | null; port_range_max: number | null;
  remote_ip_prefix: string | null; remote_group_id: string | null; security_group_id: string;
}
export interface NetworkGroup { id: string; name: string; description: string; tenant_id: string; security_group_rules: NetworkRule[] }

/** The part of a rule that its older form shows, whoever tells it. */
export interface OldRule {
  id: string; groupId: string; ethertype: string; protocol: string | null; portMin: number | null; portMax: number | null; remoteIpPrefix: string | null;
  remoteGroup: { name: string; projectId: string } | null;
}

/** Ports of a protocol without bounds, as this old form of rules wants them told. */
function portRange({ protocol, portMin, portMax }: OldRule): [number | null, number | null] {
  if (protocol === null || portMin !== null) return [portMin, portMax];
  return protocol.startsWith('icmp') || protocol.startsWith('ipv6-icmp') ? [-1, -1] : [1, 65_535];
}

/** A rule in the form that compute had before there was a network service. */
export function oldRule(rule: OldRule) {
  const [from, to] = portRange(rule);
  return {
    id: rule.id, parent_group_id: rule.groupId, ip_protocol: rule.protocol, from_port: from, to_port: to,
    group: rule.remoteGroup === null ? {} : { name: rule.remoteGroup.name, tenant_id: rule.remoteGroup.projectId },
    ip_range: rule.remoteGroup !== null ? {} : { cidr: rule.remoteIpPrefix ?? (rule.ethertype === 'IPv6' ? '::/0' : '0.0.0.0/0') },
  };
}

const fromNetwork = (rule: NetworkRule, groups: ReadonlyMap<string, NetworkGroup>): OldRule => {
  const remote = rule.remote_group_id === null ? undefined : groups.get(rule.remote_group_id);
  return {
    id: rule.id, groupId: rule.security_group_id, ethertype: rule.ethertype, protocol: rule.protocol, portMin: rule.port_range_min, portMax: rule.port_range_max,
    remoteIpPrefix: rule.remote_ip_prefix, remoteGroup: remote === undefined ? null : { name: remote.name, projectId: remote.tenant_id },
  };
};

export const ruleView = (rule: NetworkRule, groups: ReadonlyMap<string, NetworkGroup>) => oldRule(fromNetwork(rule, groups));
/** Only what is let in is shown; a rule for a group that the caller cannot see is left out, as it cannot be told. */
export const groupView = ({ id, name, description, tenant_id, security_group_rules: rules }: NetworkGroup, groups: ReadonlyMap<string, NetworkGroup>) => ({
  id, name, description, tenant_id,
  rules: rules.filter(({ direction, remote_group_id: remote }) => direction === 'ingress' && (remote === null || groups.has(remote))).map((rule) => ruleView(rule, groups)),
});
