import { dhcpv4Options, dhcpv6Options, servesDhcp } from './render-networks';
import { portGroupName, renderCloud, ruleMatch } from './render-groups';
import { portSecurity } from './render-ports';
import { rankHosts } from './render-routers';

type RuleRow = Parameters<typeof ruleMatch>[1];
const rule = (changes: Partial<RuleRow> = {}): RuleRow => ({
  direction: 'ingress', ethertype: 'IPv4', protocol: null, port_range_min: null, port_range_max: null, normalized_cidr: null, remote_group_id: null, ...changes,
});
const subnet = (changes: object = {}) => ({
  id: 's', ip_version: 4, cidr: '10.0.0.0/24', gateway_ip: '10.0.0.1' as string | null, enable_dhcp: 1, ipv6_address_mode: null, dns_nameservers: '[]', host_routes: '[]',
  mtu: 1442, metadata: null as string | null, revision_number: 1, external: 0, ...changes,
});

describe('matches of security group rules', () => {
  it.each<[string, Partial<RuleRow>]>([
    ['outport == @pg && ip4', {}],
    ['inport == @pg && ip6', { direction: 'egress', ethertype: 'IPv6' }],
    ['outport == @pg && ip4', { normalized_cidr: '0.0.0.0/0' }],
    ['inport == @pg && ip4 && ip4.dst == 10.0.0.0/8 && udp && udp.dst == 53', { direction: 'egress', normalized_cidr: '10.0.0.0/8', protocol: 'udp', port_range_min: 53, port_range_max: 53 }],
    ['outport == @pg && ip4 && tcp && tcp.dst >= 1 && tcp.dst <= 1024', { protocol: '6', port_range_min: 1, port_range_max: 1024 }],
    ['outport == @pg && ip4 && tcp', { protocol: 'tcp', port_range_min: 1, port_range_max: 65535 }],
    ['outport == @pg && ip4 && icmp4 && icmp4.type == 8 && icmp4.code == 0', { protocol: 'icmp', port_range_min: 8, port_range_max: 0 }],
    ['outport == @pg && ip6 && icmp6 && icmp6.type == 128', { ethertype: 'IPv6', protocol: 'icmp', port_range_min: 128 }],
    ['outport == @pg && ip4 && ip.proto == 112', { protocol: 'vrrp' }],
    ['outport == @pg && ip6 && ip6.src == $virga_pg_a_b_ip6', { ethertype: 'IPv6', remote_group_id: 'a-b' }],
  ])('%s', (match, changes) => expect(ruleMatch('pg', rule(changes))).toBe(match));

  it('names groups so that matches can refer to them', () => {
    expect(portGroupName('8f1a598f-ad51-425d-83a1-e92202cd0e8d')).toMatch(/^[a-z0-9_]+$/);
  });

  it('drops what no rule allows, below every rule that allows', () => {
    const acls = renderCloud().rows.filter(({ table }) => table === 'ACL').map(({ columns }) => columns);
    const drops = acls.filter(({ action }) => action === 'drop');
    expect(drops.map(({ direction }) => direction).sort()).toEqual(['from-lport', 'to-lport']);
    for (const { priority } of drops) expect(priority).toBeLessThan(1002);
  });
});

describe('DHCP options', () => {
  it('lead to the metadata service over its port, and keep the default route', () => {
    expect(dhcpv4Options(subnet({ metadata: '10.0.0.2' })).classless_static_route).toBe('{169.254.169.254/32,10.0.0.2, 0.0.0.0/0,10.0.0.1}');
    expect(dhcpv4Options(subnet({ metadata: '10.0.0.2', host_routes: '[{"destination":"0.0.0.0/0","nexthop":"10.0.0.7"}]' })).classless_static_route).toBe('{169.254.169.254/32,10.0.0.2, 0.0.0.0/0,10.0.0.7}');
    expect(dhcpv4Options(subnet({ metadata: '10.0.0.2', gateway_ip: null }))).toMatchObject({ server_id: '10.0.0.2', classless_static_route: '{169.254.169.254/32,10.0.0.2}' });
    expect(dhcpv4Options(subnet())).not.toHaveProperty('classless_static_route');
    expect(dhcpv4Options(subnet({ gateway_ip: null }))).not.toHaveProperty('router');
  });

  it('serve a subnet always under the same MAC', () => {
    expect(dhcpv4Options(subnet()).server_mac).toBe(dhcpv4Options(subnet({ mtu: 1500 })).server_mac);
    expect(dhcpv4Options(subnet()).server_mac).toMatch(/^fa:16:3e(:[0-9a-f]{2}){3}$/);
  });

  it('are not needed where cards make their own address', () => {
    expect(servesDhcp({ ip_version: 6, enable_dhcp: 1, ipv6_address_mode: 'slaac' })).toBe(false);
    expect(servesDhcp({ ip_version: 6, enable_dhcp: 1, ipv6_address_mode: 'dhcpv6-stateless' })).toBe(true);
    expect(servesDhcp({ ip_version: 4, enable_dhcp: 0, ipv6_address_mode: null })).toBe(false);
    expect(dhcpv6Options(subnet({ ipv6_address_mode: 'dhcpv6-stateless' }))).toMatchObject({ dhcpv6_stateless: 'true' });
  });
});

it('allows a card its own addresses and those of its pairs, by MAC', () => {
  expect(portSecurity('m1', ['10.0.0.5', 'fd00::5'], [{ mac_address: 'm1', ip_address: '10.0.0.9' }, { mac_address: 'm2', ip_address: '10.9.0.0/16' }, { mac_address: 'm1', ip_address: '10.0.0.5' }]))
    .toEqual(['m1 10.0.0.5 fd00::5 10.0.0.9', 'm2 10.9.0.0/16']);
  expect(portSecurity('m1', [], [])).toEqual(['m1']);
});

it('spreads gateways over the hosts, five at most, each router always the same way', () => {
  const hosts = Array.from({ length: 8 }, (_, index) => `h${index}`);
  expect(rankHosts('r', hosts)).toEqual(rankHosts('r', [...hosts].reverse()));
  expect(rankHosts('r', hosts)).toHaveLength(5);
  const first = new Set(Array.from({ length: 200 }, (_, index) => rankHosts(`router-${index}`, hosts)[0]));
  expect(first.size).toBe(8);
  // A host that goes takes only its own routers along.
  for (let index = 0; index < 50; index++) {
    const [chosen] = rankHosts(`router-${index}`, hosts);
    if (chosen !== 'h0') expect(rankHosts(`router-${index}`, hosts.slice(1))[0]).toBe(chosen);
  }
});
