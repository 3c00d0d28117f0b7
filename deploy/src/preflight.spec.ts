import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const preflight = join(__dirname, '../preflight.sh');

/** Runs a function of preflight.sh; resolves to the sentences that it prints and the number of obstacles. */
const check = (call: string): { sentences: string; obstacles: number } => {
  const { stdout, stderr } = spawnSync('/bin/bash', ['-euo', 'pipefail', '-c', `. ${preflight}; ${call}; echo "$preflight_obstacles"`], { encoding: 'utf8' });
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
  const route = readFileSync('/proc/net/route', 'utf8').split('\n').slice(1).map((line) => line.split('\t')).find((fields) => fields.length > 7 && fields[7] !== '00000000');

  // A machine without any network has nothing to overlap with.
  (route ? it : it.skip)('finds an overlap with a route of this machine', () => {
    const address = route![1]!.match(/../g)!.reverse().map((byte) => parseInt(byte, 16));
    const wanted = `${address.slice(0, 3).join('.')}.1`;
    expect(check(`check_subnet vgext ${wanted} external`).sentences).toContain(`overlaps a route of interface ${route![0]}`);
    expect(check(`check_subnet ${route![0]} ${wanted} external`).sentences).not.toContain(`interface ${route![0]};`);
    expect(check('check_subnet vgext 203.0.113.1 external').obstacles).toBe(0);
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
