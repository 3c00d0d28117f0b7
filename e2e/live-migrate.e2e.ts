import { Cloud, until } from './cloud';
import { bootIdOf, Echo, Ping } from './trials/probes';

/** A running guest goes to another host and back, as an operator has it moved with the stock client, while somebody talks to it. */
const cloud = new Cloud(process.env.VIRGA_E2E_STATE ?? '/var/tmp/virga-e2e');
const member = cloud.as('virga-demo');
const VERSION = ['--os-compute-api-version', '2.92'];
let floating: string;
let bootId: string;
interface Row { name: string; state: string; status: string }

const hostOf = async (server = 'move-1') => (await cloud.json<Record<string, string>>('server', 'show', server))['OS-EXT-SRV-ATTR:host']!;
const other = (host: string) => (host === 'host1' ? 'host2' : 'host1');
const bootIdNow = () => bootIdOf(floating);
const migrations = () => cloud.json<Record<string, string>[]>('server', 'migration', 'list', '--server', 'move-1', ...VERSION);
const settled = () => until('the migration to end', async () => (await cloud.json<Record<string, string | null>>('server', 'show', 'move-1'))['OS-EXT-STS:task_state'] === null, 120_000, 500);
const migrate = (...more: string[]) => cloud.client('server', 'migrate', '--live-migration', ...more, 'move-1', ...VERSION);

beforeAll(async () => {
  await cloud.openstack('network', 'create', 'move-net');
  await cloud.openstack('subnet', 'create', '--network', 'move-net', '--subnet-range', '10.40.0.0/24', 'move-subnet');
  await cloud.openstack('router', 'create', 'move-router');
  await cloud.openstack('router', 'set', '--external-gateway', 'public', 'move-router');
  await cloud.openstack('router', 'add', 'subnet', 'move-router', 'move-subnet');
  await cloud.openstack('security', 'group', 'create', 'move-group');
  for (const protocol of ['tcp', 'icmp']) await cloud.openstack('security', 'group', 'rule', 'create', '--protocol', protocol, 'move-group');
  await cloud.openstack('server', 'create', '--image', 'tiny', '--flavor', 'm1.tiny', '--network', 'move-net', '--security-group', 'move-group', '--config-drive', 'True', '--wait', 'move-1');
  floating = (await cloud.json<{ floating_ip_address: string }>('floating', 'ip', 'create', 'public')).floating_ip_address;
  await cloud.openstack('server', 'add', 'floating', 'ip', 'move-1', floating);
  await cloud.untilPrinted('move-1', /VIRGA-READY/);
  bootId = await until('the guest to answer', () => bootIdNow().catch(() => undefined));
});
afterAll(async () => {
  await cloud.client('server', 'delete', '--wait', 'move-1');
  await cloud.client('floating', 'ip', 'delete', floating);
  await cloud.client('router', 'remove', 'subnet', 'move-router', 'move-subnet');
  await cloud.client('router', 'delete', 'move-router');
  await cloud.client('network', 'delete', 'move-net');
  await cloud.client('security', 'group', 'delete', 'move-group');
});

it('moves to a named host and, by the scheduler\'s choice, back, while a ping and a TCP connection go through', async () => {
  const first = await hostOf();
  const ping = new Ping(floating, 0.2);
  const stream = new Echo(floating);
  try {
    await until('the connection to work', async () => stream.echoed > 5);
    for (const [more, wanted] of [[['--host', other(first)], other(first)], [[], first]] as const) {
      const { code, stderr } = await migrate(...more);
      expect({ code, stderr: stderr.trim() }).toEqual({ code: 0, stderr: '' });
      await settled();
      expect(await hostOf()).toBe(wanted);
      const [pings, echoes] = [ping.replies, stream.echoed];
      await until('the guest to answer from there', async () => ping.replies > pings + 3 && stream.echoed > echoes + 20);
      expect(stream.broken).toBeUndefined();
      expect(await bootIdNow()).toBe(bootId);
      expect((await migrations())[0]).toMatchObject({ Status: 'completed', Type: 'live-migration', 'Dest Compute': wanted });
    }
  } finally {
    ping.stop();
    stream.stop();
  }
});

it('refuses what cannot be, each with its reasons, and leaves the guest alone', async () => {
  const here = await hostOf();
  const there = other(here);
  // Before 2.34 the answer says it; the client speaks through the same requests.
  const refused = async (...more: string[]) => {
    const { code, stderr } = await cloud.client('server', 'migrate', '--live-migration', ...more, 'move-1', '--os-compute-api-version', '2.30');
    expect(code).not.toBe(0);
    return stderr;
  };
  expect(await refused('--host', here)).toContain('the instance is on this host already');
  expect(await refused('--host', 'nosuch')).toContain('Compute host nosuch could not be found.');
  await cloud.openstack('compute', 'service', 'set', '--disable', there, 'nova-compute');
  expect(await refused('--host', there)).toContain('its compute service is disabled');
  expect((await migrate()).code).toBe(0);
  await settled();
  expect((await migrations())[0]!.Status).toBe('error');
  await cloud.openstack('compute', 'service', 'set', '--enable', there, 'nova-compute');
  const id = (await cloud.json<{ id: string }>('server', 'show', 'move-1')).id;
  const { code, stderr } = await member.client('server', 'migrate', '--live-migration', id, ...VERSION);
  expect({ code: code !== 0, forbidden: /403|No server|404/.test(stderr) }).toEqual({ code: true, forbidden: true });
  expect(await hostOf()).toBe(here);
  expect(await bootIdNow()).toBe(bootId);
});

it('is moved once at a time, and an abort leaves it where it was', async () => {
  const here = await hostOf();
  for (const host of ['host1', 'host2']) await cloud.virga('host', 'rate', host, '20mbit');
  try {
    expect((await migrate()).code).toBe(0);
    expect((await migrate()).stderr).toContain('while it is in task_state migrating');
    expect((await cloud.client('server', 'stop', 'move-1')).stderr).toContain('while it is in task_state migrating');
    const running = await until('the migration to run', async () => (await migrations()).find(({ Status }) => Status === 'running'), 60_000, 300);
    await cloud.openstack('server', 'migration', 'abort', 'move-1', String(running!.Id), ...VERSION);
    await settled();
    expect((await migrations())[0]!.Status).toBe('cancelled');
    expect(await hostOf()).toBe(here);
    expect(await bootIdNow()).toBe(bootId);
    expect((await cloud.client('server', 'migration', 'force', 'complete', 'move-1', String(running!.Id), ...VERSION)).code).not.toBe(0);
  } finally {
    for (const host of ['host1', 'host2']) await cloud.virga('host', 'rate', host, 'unlimited');
  }
});

it('leaves a host that is drained, and comes back when it is restored', async () => {
  const here = await hostOf();
  const drained = await cloud.virga('host', 'drain', here);
  expect(drained.code).toBe(0);
  expect(drained.stdout).toMatch(new RegExp(`move-1 +away +${other(here)}[^]*${here} is drained`));
  expect(await hostOf()).toBe(other(here));
  const hosts = JSON.parse((await cloud.virga('host', 'list', '--json')).stdout) as Row[];
  expect(hosts.find(({ name }) => name === here)!.status).toBe('disabled');
  const restored = await cloud.virga('host', 'restore', here);
  expect({ code: restored.code, stdout: restored.stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/move-1 +back/) });
  expect(await hostOf()).toBe(here);
  expect(await bootIdNow()).toBe(bootId);
  const { code, stdout: report } = await cloud.virga('verify');
  expect({ code, report }).toMatchObject({ code: 0 });
});
