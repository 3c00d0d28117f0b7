import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const preflight = join(__dirname, '../preflight.sh');

/** Runs a function of preflight.sh; resolves to the sentences that it prints and the number of obstacles. */
/** Without the machine's bashrc, which a shell reads whose standard input is a socket, as node gives it. */
const check = (call: string): { sentences: string; obstacles: number } => {
  const { stdout, stderr } = spawnSync('/bin/bash', ['--norc', '-euo', 'pipefail', '-c', `. ${preflight}; ${call}; echo "$preflight_obstacles"`], { encoding: 'utf8' });
  return { sentences: stderr, obstacles: Number(stdout.trim()) };
};
/** A listener on the loopback below the kernel's range for clients, where a cloud's own ports are. */
async function listenLow(): Promise<Server> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = await new Promise<Server | undefined>((resolve) => {
      const candidate = createServer().on('error', () => resolve(undefined)).listen(port, '127.0.0.1', () => resolve(candidate));
    });
    if (server) return server;
  }
}
const startTime = (pid: number): string => readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ')[19]!;

describe('check_ports', () => {
  let root: string;
  let server: Server;
  const port = (): number => (server.address() as AddressInfo).port;
  const table = (where: string): void => {
    mkdirSync(join(root, 'deploy'), { recursive: true });
    writeFileSync(join(root, 'deploy/ports.txt'), `# comment\nidentity ${port()} ${where}\n`);
  };

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'virga-preflight-'));
    server = await listenLow();
  });
  afterEach(() => { server.close(); rmSync(root, { recursive: true }); });

  it('names the port and the process that holds it', () => {
    table('loopback');
    const { sentences, obstacles } = check(`check_ports ${root} /nonexistent 0 172.30.255.1`);
    expect(obstacles).toBe(1);
    expect(sentences).toContain(`port ${port()}, which identity needs, is in use by`);
    expect(sentences).toContain(`(pid ${process.pid})`);
  });

  it('is content with a free port, and with a listener on an address that is not wanted', () => {
    table('loopback');
    expect(check(`check_ports ${root} /nonexistent 100 172.30.255.1`).obstacles).toBe(0);
    table('management');
    expect(check(`check_ports ${root} /nonexistent 0 172.30.255.1`).obstacles).toBe(0);
    expect(check(`check_ports ${root} /nonexistent 0 127.0.0.1`).obstacles).toBe(1);
  });

  it('knows the parts of this cloud by their supervisor', () => {
    table('loopback');
    mkdirSync(join(root, 'parts/identity'), { recursive: true });
    writeFileSync(join(root, 'parts/identity/supervisor'), `${process.pid} ${startTime(process.pid)}\n`);
    expect(check(`check_ports ${root} ${root} 0 172.30.255.1`).obstacles).toBe(0);
  });

  it('refuses an offset that leads into the range for clients', () => {
    table('loopback');
    expect(check(`check_ports ${root} /nonexistent 20000 172.30.255.1`).sentences).toContain('choose a smaller --port-offset');
  });
});

describe('check_subnet', () => {
  // Columns as in /proc/net/route, numbers little-endian: a default route, 192.0.2.0/24, 10.0.0.0/8 and 198.51.100.64/26.
  const routes = [
    'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT',
    ...[['eth0', '00000000', '00000000'], ['eth0', '000200C0', '00FFFFFF'], ['tun7', '0000000A', '000000FF'], ['br3', '406433C6', 'C0FFFFFF']]
      .map(([iface, destination, mask]) => [iface, destination, '00000000', '0001', 0, 0, 0, mask, 0, 0, 0].join('\t')),
    '',
  ].join('\n');
  let directory: string;
  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), 'virga-routes-')); writeFileSync(join(directory, 'route'), routes); });
  afterEach(() => rmSync(directory, { recursive: true }));
  const overlaps = (bridge: string, address: string): string => check(`check_subnet ${bridge} ${address} external ${directory}/route`).sentences;

  it.each([['192.0.2.1', 'eth0'], ['10.44.3.1', 'tun7'], ['198.51.100.1', 'br3']])('finds what overlaps %s', (address, iface) => {
    expect(overlaps('vgext', address)).toContain(`overlaps a route of interface ${iface}; choose another with --external-cidr`);
  });

  it('is content with a free network, whatever the default route, and with the route of its own bridge', () => {
    expect(overlaps('vgext', '203.0.113.1')).toBe('');
    expect(overlaps('br3', '198.51.100.1')).toBe('');
  });
});

describe('the launcher', () => {
  it('explains itself without Node, root or a cloud, and refuses what it does not know', () => {
    const virga = join(__dirname, '../../virga');
    expect(execFileSync(virga, ['help'], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } })).toContain('./virga up');
    expect(spawnSync(virga, ['frobnicate'], { encoding: 'utf8' })).toMatchObject({ status: 2, stdout: '' });
    expect(spawnSync(virga, ['up', '--port-offset', '7'], { encoding: 'utf8' })).toMatchObject({ status: 2, stdout: '' });
  });
});
