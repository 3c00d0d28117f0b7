import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cloud, execute, until } from './cloud';

/** Several hosts on one machine, as their operator sees them: in order, each test builds on those before. */
const cloud = new Cloud(process.env.VIRGA_E2E_STATE ?? '/var/tmp/virga-e2e');
const dir = mkdtempSync(join(tmpdir(), 'virga-e2e-hosts-'));
const key = join(dir, 'id_ed25519');
const addressOf = async (server: string) => Object.values((await cloud.json<{ addresses: Record<string, string[]> }>('server', 'show', server)).addresses)[0]!;
const ssh = (address: string, command: string) =>
  execute('ssh', ['-i', key, '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'ConnectTimeout=5', '-o', 'BatchMode=yes', `root@${address}`, command]);
interface HostRow { name: string; id: string; processes: number; state: string; status: string; migrationRate: string }
let floating: string;
let other: string;
const hosts = async () => JSON.parse((await cloud.virga('host', 'list', '--json')).stdout) as HostRow[];

beforeAll(() => { execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]); });
afterAll(async () => {
  for (const server of ['hosts-1', 'hosts-2']) await cloud.client('server', 'delete', '--wait', server);
  const floating = await cloud.json<{ 'Floating IP Address': string }[]>('floating', 'ip', 'list', '--status', 'DOWN');
  for (const { 'Floating IP Address': address } of floating) await cloud.client('floating', 'ip', 'delete', address);
  await cloud.client('router', 'remove', 'subnet', 'hosts-router', 'hosts-subnet');
  await cloud.client('router', 'delete', 'hosts-router');
  await cloud.client('network', 'delete', 'hosts-net');
  await cloud.client('keypair', 'delete', 'hosts-key');
  await cloud.client('security', 'group', 'delete', 'hosts-group');
  rmSync(dir, { recursive: true });
});

it('lists the hosts, and sets the speed of one link', async () => {
  const before = await hosts();
  expect(before.length).toBeGreaterThanOrEqual(2);
  for (const { state, status, processes } of before) expect({ state, status, runs: processes > 0 }).toEqual({ state: 'up', status: 'enabled', runs: true });
  expect((await cloud.virga('host', 'rate', 'host1', '200mbit')).code).toBe(0);
  expect((await hosts())[0]!.migrationRate).toBe('200mbit');
  expect((await cloud.virga('host', 'rate', 'host1', 'unlimited')).code).toBe(0);
  expect((await cloud.virga('host', 'rate', 'host1', 'fast')).code).toBe(2);
});

it('carries the traffic of guests on two hosts between them', async () => {
  await cloud.openstack('keypair', 'create', '--public-key', `${key}.pub`, 'hosts-key');
  await cloud.openstack('network', 'create', 'hosts-net');
  await cloud.openstack('subnet', 'create', '--network', 'hosts-net', '--subnet-range', '10.30.0.0/24', 'hosts-subnet');
  await cloud.openstack('router', 'create', 'hosts-router');
  await cloud.openstack('router', 'set', '--external-gateway', 'public', 'hosts-router');
  await cloud.openstack('router', 'add', 'subnet', 'hosts-router', 'hosts-subnet');
  await cloud.openstack('security', 'group', 'create', 'hosts-group');
  for (const protocol of ['tcp', 'icmp']) await cloud.openstack('security', 'group', 'rule', 'create', '--protocol', protocol, 'hosts-group');
  for (const index of [1, 2]) {
    await cloud.openstack('server', 'create', '--image', 'tiny', '--flavor', 'm1.tiny', '--network', 'hosts-net', '--key-name', 'hosts-key', '--security-group', 'hosts-group',
      '--availability-zone', `nova:host${index}`, '--wait', `hosts-${index}`);
  }
  floating = (await cloud.json<{ floating_ip_address: string }>('floating', 'ip', 'create', 'public')).floating_ip_address;
  await cloud.openstack('server', 'add', 'floating', 'ip', 'hosts-1', floating);
  other = (await addressOf('hosts-2'))[0]!;
  await until('a guest to reach the one on the other host', async () => (await ssh(floating, `ping -c 2 -W 2 ${other}`)).stdout.includes(' 0% packet loss'), 120_000, 2000);
});

it('refuses to take away a host that has instances, and leaves it as it was', async () => {
  const { code, stderr } = await cloud.virga('host', 'remove', 'host2');
  expect(code).toBe(1);
  expect(stderr).toContain('host2 has 1 instance(s)');
  expect((await hosts()).find(({ name }) => name === 'host2')).toMatchObject({ state: 'up', status: 'enabled' });
});

it('cuts the power of a host, guests included, and up brings both back', async () => {
  const { code, stdout } = await cloud.virga('host', 'fence', 'host2');
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^host2 is off/) });
  expect((await hosts()).find(({ name }) => name === 'host2')!.processes).toBe(0);
  expect((await cloud.virga('host', 'fence', 'host2')).code).toBe(0);
  await until('the cloud to notice', async () => (await hosts()).find(({ name }) => name === 'host2')!.state === 'down', 60_000, 1000);
  expect((await cloud.virga('up')).code).toBe(0);
  // The guest is still this host's: it was not brought up elsewhere meanwhile.
  await until('the guest to be reached again', async () => (await ssh(floating, `ping -c 2 -W 2 ${other}`)).stdout.includes(' 0% packet loss'), 120_000, 2000);
  const { code: verified, stdout: report } = await cloud.virga('verify');
  expect({ verified, report }).toMatchObject({ verified: 0 });
});
