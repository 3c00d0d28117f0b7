import { protocolNumber, type Direction, type Ethertype } from '@virga/domain';
import { groupBy } from '../db/group-by';
import type { Db, SecurityGroupRuleTable } from '../db/tables';
import { RowName, type DesiredResource, type DesiredRow } from './rows';
import type { Selectable } from '@virga/db';

/** The group of all secured ports: what no rule lets pass is dropped. */
export const DROP_GROUP = 'virga_pg_drop';
/** Names of port groups are identifiers in matches: no dashes. OVN makes the address sets `<name>_ip4` and `<name>_ip6`. */
export const portGroupName = (groupId: string): string => `virga_pg_${groupId.replaceAll('-', '_')}`;

const PRIORITY = { drop: 1001, allow: 1002, dhcp: 1003 };

type RuleRow = Pick<Selectable<SecurityGroupRuleTable>, 'direction' | 'ethertype' | 'protocol' | 'port_range_min' | 'port_range_max' | 'normalized_cidr' | 'remote_group_id'>;

const SIDES: Record<Direction, { port: string; remote: string; lport: 'to-lport' | 'from-lport' }> = {
  ingress: { port: 'outport', remote: 'src', lport: 'to-lport' },
  egress: { port: 'inport', remote: 'dst', lport: 'from-lport' },
};
const FAMILIES: Record<Ethertype, string> = { IPv4: 'ip4', IPv6: 'ip6' };
/** Protocols whose ports OVN's matches know. */
const PORT_FIELDS: Record<number, string> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };
const ICMP_FIELDS: Record<number, string> = { 1: 'icmp4', 58: 'icmp6' };

function protocolMatch(rule: RuleRow): string[] {
  if (rule.protocol === null) return [];
  const number = protocolNumber(rule.protocol, rule.ethertype)!;
  const { port_range_min: low, port_range_max: high } = rule;
  const icmp = ICMP_FIELDS[number];
  if (icmp) return [icmp, ...(low === null ? [] : [`${icmp}.type == ${low}`]), ...(high === null ? [] : [`${icmp}.code == ${high}`])];
  const field = PORT_FIELDS[number];
  if (!field) return [`ip.proto == ${number}`];
  if (low === null || high === null || (low === 1 && high === 65535)) return [field];
  return [field, ...(low === high ? [`${field}.dst == ${low}`] : [`${field}.dst >= ${low}`, `${field}.dst <= ${high}`])];
}

/** OVN's expression for the packets that a rule lets pass to or from the ports of the group. */
export function ruleMatch(groupName: string, rule: RuleRow): string {
  const side = SIDES[rule.direction];
  const family = FAMILIES[rule.ethertype];
  const remote = rule.remote_group_id !== null ? [`${family}.${side.remote} == $${portGroupName(rule.remote_group_id)}_${family}`]
    : rule.normalized_cidr !== null && !rule.normalized_cidr.endsWith('/0') ? [`${family}.${side.remote} == ${rule.normalized_cidr}`] : [];
  return [`${side.port} == @${groupName}`, family, ...remote, ...protocolMatch(rule)].join(' && ');
}

export async function renderGroups(db: Db, ids?: readonly string[]): Promise<DesiredResource[]> {
  const query = db.selectFrom('security_groups').select(['id', 'name', 'revision_number']);
  const groups = await (ids ? query.where('id', 'in', ids) : query).execute();
  const ruleQuery = db.selectFrom('security_group_rules').selectAll();
  const rules = groupBy(await (ids ? ruleQuery.where('security_group_id', 'in', ids) : ruleQuery).execute(), (rule) => rule.security_group_id);
  return groups.map((group) => {
    const name = portGroupName(group.id);
    const self = new RowName('security_group', group.id, 'group');
    return {
      kind: 'security_group',
      id: group.id,
      revision: group.revision_number,
      rows: [
        { table: 'Port_Group', part: 'group', columns: { name }, externalIds: { 'virga:name': group.name } },
        ...(rules.get(group.id) ?? []).map((rule): DesiredRow => ({
          table: 'ACL', part: `rule/${rule.id}`, parent: self,
          columns: { direction: SIDES[rule.direction].lport, priority: PRIORITY.allow, action: 'allow-related', match: ruleMatch(name, rule) },
        })),
      ],
    };
  });
}

/** What belongs to the whole cloud: the group that drops, and still lets a secured port ask for its own address. */
export function renderCloud(): DesiredResource {
  const self = new RowName('cloud', 'drop', 'group');
  const acl = (part: string, direction: 'to-lport' | 'from-lport', priority: number, action: string, match: string): DesiredRow => ({
    table: 'ACL', part, parent: self, columns: { direction, priority, action, match: `${direction === 'to-lport' ? 'outport' : 'inport'} == @${DROP_GROUP} && ${match}` },
  });
  return {
    kind: 'cloud',
    id: 'drop',
    revision: 1,
    rows: [
      { table: 'Port_Group', part: 'group', columns: { name: DROP_GROUP } },
      acl('ingress', 'to-lport', PRIORITY.drop, 'drop', 'ip'),
      acl('egress', 'from-lport', PRIORITY.drop, 'drop', 'ip'),
      acl('dhcp4', 'from-lport', PRIORITY.dhcp, 'allow', 'ip4 && udp.src == 68 && udp.dst == 67'),
      acl('dhcp6', 'from-lport', PRIORITY.dhcp, 'allow', 'ip6 && ip6.dst == ff02::1:2 && udp.src == 546 && udp.dst == 547'),
    ],
  };
}
