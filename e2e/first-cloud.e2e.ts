import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cloud, execute, until } from './cloud';

/** The first hour of a newcomer, in order: each test builds on what the ones before have made. */
const cloud = new Cloud(process.env.VIRGA_E2E_STATE ?? '/var/tmp/virga-e2e');
const dir = mkdtempSync(join(tmpdir(), 'virga-e2e-'));
const key = join(dir, 'id_ed25519');
const externalGateway = () => cloud.json<{ gateway_ip: string }>('subnet', 'show', 'public-subnet').then(({ gateway_ip: ip }) => ip);
const ssh = (address: string, command: string) =>
  execute('ssh', ['-i', key, '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'ConnectTimeout=5', '-o', 'BatchMode=yes', `root@${address}`, command]);

beforeAll(() => {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'e2e-key', '-f', key]);
  writeFileSync(join(dir, 'hello.txt'), 'hello from user data\n');
});
afterAll(() => rmSync(dir, { recursive: true }));

describe('a cloud that has just been started', () => {
  it('shows its services, agents and host', async () => {
    const catalog = await cloud.json<{ Type: string }[]>('catalog', 'list');
    expect(catalog.map(({ Type }) => Type).sort()).toEqual(expect.arrayContaining(['compute', 'identity', 'image', 'network']));
    const services = await cloud.json<{ Binary: string; State: string }[]>('compute', 'service', 'list');
    expect(services.map(({ Binary, State }) => `${Binary} ${State}`)).toEqual(expect.arrayContaining(['nova-compute up', 'nova-conductor up', 'nova-scheduler up']));
    const agents = await cloud.json<{ Alive: boolean }[]>('network', 'agent', 'list');
    expect(agents.length).toBeGreaterThan(0);
    expect(agents.every(({ Alive }) => Alive)).toBe(true);
    const hypervisors = await cloud.json<{ State: string }[]>('hypervisor', 'list');
    expect(new Set(hypervisors.map(({ State }) => State))).toEqual(new Set(['up']));
    const images = await cloud.json<{ Name: string; Status: string }[]>('image', 'list');
    expect(images).toContainEqual(expect.objectContaining({ Name: 'tiny', Status: 'active' }));
  });

  it('is reported healthy by its own command', async () => {
    const { code, stdout } = await cloud.virga('status', '--json');
    expect(code).toBe(0);
    expect(stdout).not.toMatch(/password|secret/i);
    const { stdout: openrc } = await cloud.virga('openrc');
    expect(openrc).toMatch(/export OS_AUTH_URL=/);
  });

  it('takes another image, and refuses one that reaches outside itself', async () => {
    const good = join(dir, 'good.qcow2');
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', good, '8M']);
    await cloud.openstack('image', 'create', '--disk-format', 'qcow2', '--file', good, 'good');
    expect((await cloud.json<{ status: string; virtual_size: number }>('image', 'show', 'good'))).toMatchObject({ status: 'active' });
    const evil = join(dir, 'evil.qcow2');
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', '/etc/shadow', '-F', 'raw', evil]);
    expect(await cloud.refused('image', 'create', '--disk-format', 'qcow2', '--file', evil, 'evil')).toMatch(/backing file/);
    for (const { ID, Name } of await cloud.json<{ ID: string; Name: string }[]>('image', 'list')) if (Name === 'evil' || Name === 'good') await cloud.openstack('image', 'delete', ID);
  });
});

describe('the first guest', () => {
  it('is made on a port with the address that was asked for', async () => {
    await cloud.openstack('flavor', 'create', '--ram', '128', '--disk', '1', '--ephemeral', '1', '--vcpus', '1', 't.eph');
    await cloud.openstack('keypair', 'create', '--public-key', `${key}.pub`, 'mykey');
    await cloud.openstack('network', 'create', 'net1');
    await cloud.openstack('subnet', 'create', '--network', 'net1', '--subnet-range', '10.10.0.0/24', 'sub1');
    await cloud.openstack('port', 'create', '--network', 'net1', '--fixed-ip', 'subnet=sub1,ip-address=10.10.0.200', 'port1');
    await cloud.openstack('server', 'create', '--image', 'tiny', '--flavor', 't.eph', '--port', 'port1', '--key-name', 'mykey', '--config-drive', 'True',
      '--user-data', join(dir, 'hello.txt'), '--wait', 's1');
    const server = await cloud.json<{ status: string; addresses: Record<string, string[]> }>('server', 'show', 's1');
    expect(server.status).toBe('ACTIVE');
    expect(server.addresses).toEqual({ net1: ['10.10.0.200'] });
  });

  it('says itself what it was given', async () => {
    await cloud.untilPrinted('s1', /VIRGA-READY s1 /);
    const log = await cloud.consoleLog('s1');
    const { id } = await cloud.json<{ id: string }>('server', 'show', 's1');
    expect(log).toMatch(/VIRGA-IP \S+ 10\.10\.0\.200\/24 .*mtu=1442/);
    expect(log).toMatch(new RegExp(`VIRGA-METADATA ok uuid=${id} hostname=s1\\S* keys=1`));
    expect(log).toMatch(new RegExp(`VIRGA-CONFIGDRIVE ok uuid=${id} hostname=s1\\S* keys=1`));
    expect(log.match(/VIRGA-KEY (metadata|configdrive) .*/g)?.length).toBeGreaterThanOrEqual(2);
    expect(log.match(/hello from user data/g)?.length).toBeGreaterThanOrEqual(2);
    expect(log).toMatch(/VIRGA-DISK vdb size=1073741824 fs=ext4 label=ephemeral0/);
    expect(log).toMatch(/VIRGA-BOOTS 1\b/);
  });

  it('reaches a second one, while addresses of nobody and forged ones get no answer', async () => {
    await cloud.openstack('server', 'create', '--image', 'tiny', '--flavor', 'm1.tiny', '--network', 'net1', '--key-name', 'mykey',
      '--property', `probe=10.10.0.200,10.10.0.222,${await externalGateway()}`, '--property', 'spoof=10.10.0.77,10.10.0.200', '--wait', 's2');
    await cloud.untilPrinted('s2', /VIRGA-READY s2 /);
    await cloud.untilPrinted('s2', /VIRGA-PROBE 10\.10\.0\.200 ok/);
    await cloud.untilPrinted('s2', /VIRGA-PROBE 10\.10\.0\.222 fail/);
    await cloud.untilPrinted('s2', /VIRGA-SPOOF 10\.10\.0\.77 10\.10\.0\.200 fail/);
    expect(await cloud.consoleLog('s2')).not.toMatch(/VIRGA-PROBE 10\.10\.0\.222 ok|VIRGA-SPOOF \S+ \S+ ok/);
  });
});

describe('the external side', () => {
  let floating: string;

  it('lets the guest out through the router', async () => {
    await cloud.openstack('router', 'create', 'r1');
    await cloud.openstack('router', 'set', '--external-gateway', 'public', 'r1');
    await cloud.openstack('router', 'add', 'subnet', 'r1', 'sub1');
    const gateway = (await externalGateway()).replaceAll('.', '\\.');
    await cloud.untilPrinted('s2', new RegExp(`VIRGA-PROBE ${gateway} ok`));
  });

  it('lets the operator in by floating IP once a rule allows it', async () => {
    floating = (await cloud.json<{ floating_ip_address: string }>('floating', 'ip', 'create', 'public')).floating_ip_address;
    await cloud.openstack('server', 'add', 'floating', 'ip', 's1', floating);
    expect((await ssh(floating, 'true')).code).not.toBe(0);
    await cloud.openstack('security', 'group', 'rule', 'create', '--protocol', 'tcp', '--dst-port', '22', 'default');
    await cloud.openstack('security', 'group', 'rule', 'create', '--protocol', 'icmp', 'default');
    const { stdout } = await until('ssh to answer', async () => { const result = await ssh(floating, 'hostname; cat /proc/uptime'); return result.code === 0 && result; }, 60_000);
    expect(stdout.split('\n')[0]).toBe('s1');
    expect((await execute('ping', ['-c', '1', '-W', '5', floating])).code).toBe(0);
    expect((await cloud.json<{ addresses: Record<string, string[]> }>('server', 'show', 's1')).addresses).toEqual({ net1: ['10.10.0.200', floating] });
  });

  it('tells a guest about itself alone, whatever it claims to be', async () => {
    const { id } = await cloud.json<{ id: string }>('server', 'show', 's1');
    const other = Object.values((await cloud.json<{ addresses: Record<string, string[]> }>('server', 'show', 's2')).addresses)[0]![0]!;
    const forged = await ssh(floating, `wget -q -O - --header 'X-Forwarded-For: ${other}' --header 'X-Instance-ID: x' http://169.254.169.254/openstack/latest/meta_data.json`);
    expect(JSON.parse(forged.stdout)).toMatchObject({ uuid: id, name: 's1' });
    // Changes show: metadata is asked of the control plane.
    await cloud.openstack('server', 'set', '--property', 'colour=blue', 's1');
    await until('the new property to show', async () => (await ssh(floating, 'wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json')).stdout.includes('"colour"'), 60_000, 3000);
  });

  it('keeps guests away from the network between services and hosts', async () => {
    const { managementCidr, portOffset } = JSON.parse(readFileSync(join(cloud.state, 'site.json'), 'utf8')) as { managementCidr: string; portOffset: number };
    const controller = managementCidr.replace(/0\/24$/, '1');
    const ports = readFileSync('deploy/ports.txt', 'utf8').split('\n').filter((line) => /^\w/.test(line)).map((line) => Number(/\d+/.exec(line)![0]) + portOffset);
    expect(ports.length).toBeGreaterThan(5);
    const { stdout } = await ssh(floating, `nc -w 1 127.0.0.1 22 </dev/null >/dev/null 2>&1 && echo own sshd answers; for port in ${ports.join(' ')}; do nc -w 1 ${controller} $port </dev/null >/dev/null 2>&1 && echo open $port; done; echo tried`);
    expect(stdout.trim()).toBe('own sshd answers\ntried');
  });

  it('closes again when the address is taken away', async () => {
    await cloud.openstack('server', 'remove', 'floating', 'ip', 's1', floating);
    await until('ssh to be refused', async () => (await ssh(floating, 'true')).code !== 0, 60_000);
    await cloud.openstack('floating', 'ip', 'delete', floating);
  });
});

describe('power', () => {
  it('is switched off and on', async () => {
    await cloud.openstack('server', 'stop', 's1');
    await cloud.untilStatus('s1', 'SHUTOFF');
    expect(await cloud.consoleLog('s1')).toMatch(/VIRGA-POWEROFF/);
    expect(await cloud.refused('server', 'stop', 's1')).toMatch(/Cannot 'stop' instance .* while it is in vm_state stopped \(HTTP 409\)/);
    await cloud.openstack('server', 'start', 's1');
    await cloud.untilStatus('s1', 'ACTIVE');
    await cloud.untilPrinted('s1', /VIRGA-BOOTS 2\b/);
    await cloud.untilPrinted('s1', /VIRGA-BOOTS 2\b[^]*VIRGA-READY s1 /);
  });

  it('is rebooted softly and hard', async () => {
    await cloud.openstack('server', 'reboot', '--wait', 's1');
    await cloud.untilPrinted('s1', /VIRGA-BOOTS 3\b[^]*VIRGA-READY s1 /);
    await cloud.openstack('server', 'reboot', '--hard', '--wait', 's1');
    await cloud.untilPrinted('s1', /VIRGA-BOOTS 4\b[^]*VIRGA-READY s1 /);
  });

  it('is paused and suspended without a reboot', async () => {
    const bootIds = async () => (await cloud.consoleLog('s1')).match(/VIRGA-BOOTID \S+/g)?.length;
    const before = await bootIds();
    await cloud.openstack('server', 'pause', 's1');
    await cloud.untilStatus('s1', 'PAUSED');
    await cloud.openstack('server', 'unpause', 's1');
    await cloud.untilStatus('s1', 'ACTIVE');
    await cloud.openstack('server', 'suspend', 's1');
    await cloud.untilStatus('s1', 'SUSPENDED');
    await cloud.openstack('server', 'resume', 's1');
    await cloud.untilStatus('s1', 'ACTIVE');
    // s2 asks s1 for an answer all the time: what it printed last is how s1 is now.
    await until('s1 to answer s2 again', async () => [...(await cloud.consoleLog('s2')).matchAll(/VIRGA-PROBE 10\.10\.0\.200 (\w+)/g)].at(-1)?.[1] === 'ok');
    expect(await bootIds()).toBe(before);
  });
});

describe('what cannot be had', () => {
  it.each([
    [['server', 'create', '--image', 'nosuch', '--flavor', 'm1.tiny', '--network', 'net1', 'x'], /nosuch/],
    [['server', 'create', '--image', 'tiny', '--flavor', 'nosuch', '--network', 'net1', 'x'], /nosuch/],
    [['server', 'create', '--image', 'tiny', '--flavor', 'm1.tiny', '--network', 'nosuch', 'x'], /nosuch/],
    [['server', 'create', '--image', 'tiny', '--flavor', 'm1.tiny', '--network', 'net1', '--key-name', 'nosuch', 'x'], /Invalid key_name provided. \(HTTP 400\)/],
    [['port', 'create', '--network', 'net1', '--fixed-ip', 'subnet=sub1,ip-address=10.99.0.1', 'x'], /400/],
    [['port', 'create', '--network', 'net1', '--fixed-ip', 'subnet=sub1,ip-address=10.10.0.200', 'x'], /409/],
    [['network', 'delete', 'net1'], /409|in use/],
    [['subnet', 'create', '--network', 'net1', '--subnet-range', '10.10.0.128/25', 'x'], /400|overlap/],
  ])('is refused with a sentence: %j', async (args, sentence) => {
    expect(await cloud.refused(...args)).toMatch(sentence);
  });

  it('ends in ERROR that says which filter removed how many hosts, and leaves nothing', async () => {
    await cloud.openstack('flavor', 'create', '--ram', '45000', '--disk', '1', '--vcpus', '1', 't.huge');
    await cloud.openstack('server', 'create', '--image', 'tiny', '--flavor', 't.huge', '--network', 'net1', 'toolarge');
    await cloud.untilStatus('toolarge', 'ERROR');
    const shown = JSON.stringify(await cloud.json('server', 'show', 'toolarge'));
    expect(shown).toMatch(/No valid host was found/);
    expect(shown).toMatch(/memory/i);
    const { id } = await cloud.json<{ id: string }>('server', 'show', 'toolarge');
    expect(await cloud.json<unknown[]>('port', 'list', '--server', id)).toEqual([]);
    await cloud.openstack('server', 'delete', '--wait', 'toolarge');
  });

  it('is kept from another project', async () => {
    const demo = cloud.as('virga-demo');
    const { id } = await cloud.json<{ id: string }>('server', 'show', 's1');
    expect(await demo.refused('server', 'show', id)).toMatch(/No server|404/);
    expect(await demo.refused('port', 'show', 'port1')).toMatch(/No Port|404/);
    expect(await demo.refused('hypervisor', 'list')).toMatch(/403/);
    expect(await demo.json<unknown[]>('server', 'list')).toEqual([]);
  });
});

describe('the end', () => {
  it('finds guests again after the cloud was taken down and up', async () => {
    const down = await cloud.virga('down');
    expect([down.code, down.stderr]).toEqual([0, expect.any(String)]);
    const leftovers = (await execute('ip', ['-o', 'link'])).stdout + (await execute('ip', ['netns', 'list'])).stdout;
    expect(leftovers).not.toMatch(new RegExp(`\\b${process.env.VIRGA_E2E_NAME ?? 'vge'}`));
    expect((await execute('grep', ['-c', process.env.VIRGA_E2E_STATE ?? '/var/tmp/virga-e2e', '/proc/mounts'])).stdout.trim()).toBe('0');
    expect((await cloud.virga('up')).code).toBe(0);
    await cloud.untilStatus('s1', 'ACTIVE');
    await cloud.untilPrinted('s1', /VIRGA-BOOTS 5\b[^]*VIRGA-READY s1 /);
    await until('s2 to reach s1 again', async () => [...(await cloud.consoleLog('s2')).matchAll(/VIRGA-READY s2[^]*VIRGA-PROBE 10\.10\.0\.200 (\w+)/g)].at(-1)?.[1] === 'ok');
  });

  it('gives everything back', async () => {
    const ids = [];
    for (const name of ['s1', 's2']) ids.push((await cloud.json<{ id: string }>('server', 'show', name)).id);
    await cloud.openstack('server', 'delete', '--wait', 's1', 's2');
    expect(await cloud.json<unknown[]>('server', 'list', '--all-projects')).toEqual([]);
    // The port that the user brought stays and is free; those that compute made are gone.
    expect(await cloud.json<{ Name: string }[]>('port', 'list', '--network', 'net1', '--device-owner', 'compute:nova')).toEqual([]);
    expect(await cloud.json<{ status: string; device_id: string }>('port', 'show', 'port1')).toMatchObject({ status: 'DOWN', device_id: '' });
    for (const host of ['host1', 'host2']) for (const id of ids) expect(existsSync(join(cloud.state, 'hosts', host, 'agent/instances', id))).toBe(false);
    expect((await cloud.json<{ Used: number }[]>('hypervisor', 'list', '--long')).length).toBe(2);
    await cloud.openstack('port', 'delete', 'port1');
    await cloud.openstack('router', 'remove', 'subnet', 'r1', 'sub1');
    await cloud.openstack('router', 'delete', 'r1');
    await cloud.openstack('network', 'delete', 'net1');
    await cloud.openstack('keypair', 'delete', 'mykey');
    await cloud.openstack('flavor', 'delete', 't.eph', 't.huge');
  });

  it('has kept secrets out of the logs', () => {
    const secrets = readFileSync(join(cloud.state, 'clouds.yaml'), 'utf8').match(/password: *["']?([^\s"']+)/g)!.map((line) => line.replace(/password: *["']?/, ''));
    expect(secrets.length).toBeGreaterThan(0);
    for (const secret of secrets) {
      const found = execFileSync('sh', ['-c', 'grep -rlF -- "$1" "$2" || true', 'sh', secret, join(cloud.state, 'log')]).toString();
      expect(found).toBe('');
    }
  });
});
