import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultCidrs, planSite, type Settings, type Site } from './site';
import { planPorts } from './ports';
import { filterRules } from './stages/plumbing';

const table = readFileSync(join(__dirname, '../ports.txt'), 'utf8');
const site = (changes: Partial<Settings> = {}): Site => {
  const portOffset = changes.portOffset ?? 0;
  return planSite('/src', '/var/lib/virga', { name: 'vg', portOffset, hosts: 1, virtType: 'probe', ...defaultCidrs(portOffset), ...changes }, table);
};

describe('planPorts', () => {
  it('gives OpenStack its usual ports and keeps all below the kernel range for clients', () => {
    expect(planPorts(table, 0)).toMatchObject({ identity: 5000, compute: 8774, network: 9696, image: 9292 });
    expect(() => planPorts(table, 10_000)).toThrow('above 32767');
  });

  it('refuses an offset by which clients would refuse a port', () => {
    expect(() => planPorts(table, 1000)).toThrow('port 6000 (identity)');
  });

  it('refuses a table with a missing or a doubled port', () => {
    expect(() => planPorts(table.replace(/^amqp .*/m, ''), 0)).toThrow('no port for amqp');
    expect(() => planPorts(table.replace(/^amqp .*/m, 'amqp 5000 both'), 0)).toThrow('same port');
  });
});

describe('planSite', () => {
  it('gives every host its own namespace, addresses and links', () => {
    const { hosts } = site({ hosts: 16 });
    for (const key of ['name', 'netns', 'directory', 'managementAddress', 'tunnelAddress'] as const) expect(new Set(hosts.map((host) => host[key])).size).toBe(16);
    const outside = hosts.flatMap(({ links }) => Object.values(links).map((link) => link.outside));
    expect(new Set(outside).size).toBe(48);
    expect(Math.max(...outside.map((name) => name.length))).toBeLessThanOrEqual(15);
  });

  it('gives two clouds with different names and offsets nothing in common on the machine', () => {
    const [one, two] = [site({ hosts: 2 }), site({ hosts: 2, name: 'vgtest', portOffset: 1100 })];
    const claims = (cloud: Site): (string | number)[] => [
      ...Object.values(cloud.ports), cloud.management.bridge, cloud.external.bridge, cloud.management.cidr, cloud.external.cidr, cloud.fabric.netns,
      ...cloud.hosts.flatMap((host) => [host.netns, ...Object.values(host.links).map((link) => link.outside)]),
    ];
    expect(claims(one).filter((claim) => claims(two).includes(claim))).toEqual([]);
    expect(Math.max(...claims(two).filter((claim) => typeof claim === 'string').map((claim) => claim.length))).toBeLessThanOrEqual(16);
  });

  it('keeps the addresses of services, hosts and floating IPs apart', () => {
    const { management, external, hosts } = site({ hosts: 16 });
    expect(hosts.map((host) => host.managementAddress)).not.toContain(management.address);
    expect(external.pool).toEqual(['172.24.4.10', '172.24.4.200']);
    expect(external.address).toBe('172.24.4.1');
  });
});

describe('filterRules', () => {
  it('keeps tenants away from the management network', () => {
    const rules = filterRules(site(), 'eth0', false);
    expect(rules).toContain('iifname != { "lo", "vgmgmt" } ip daddr 172.30.255.0/24 drop');
    expect(rules).toContain('ip daddr 172.30.255.0/24 iifname != "vgmgmt" drop');
    expect(rules).toContain('ip saddr 172.24.4.0/24 oifname != "vgext" masquerade');
  });

  it('lets only answers in from the uplink, and does not break a machine that was a router before', () => {
    const rules = filterRules(site(), 'eth0', false);
    expect(rules).toMatch(/iifname "eth0" oifname "vgext" ct state established,related accept\n\s+iifname "eth0" oifname "vgext" drop\n\s+iifname "eth0" oifname != "vgext" ct state new drop/);
    expect(filterRules(site(), 'eth0', true)).not.toContain('oifname != "vgext" ct');
    expect(filterRules(site(), undefined, false)).not.toContain('established');
  });
});
