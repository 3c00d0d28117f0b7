/**
 * A real libvirtd of one's own, for tests: in new mount, network, pid and uts namespaces with all of its directories
 * private, so that it neither sees nor disturbs the machine's. Needs root and Debian's libvirt-daemon packages.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LibvirtConnection } from '../connection';

const DAEMON_CONF = `listen_tls = 0
auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_rw_perms = "0700"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
`;
const QEMU_CONF = `user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
`;
/** The shell stays as the namespace's init: it adopts QEMU and starts the daemon again after a kill. */
const INIT = `set -e
mount --make-rprivate /
ip link set lo up
hostname "$2"
mkdir -p /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt
mount --bind "$1/run" /run
mount --bind "$1/etc" /etc/libvirt
mount --bind "$1/lib" /var/lib/libvirt
mount --bind "$1/log" /var/log/libvirt
mount --bind "$1/cache" /var/cache/libvirt
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
mkdir -p /run/lock /var/lib/libvirt/qemu /var/lib/libvirt/images
while :; do libvirtd >>/var/log/libvirt/stdout.log 2>&1 || true; sleep 0.2; done
`;

/** The daemon does not start its QEMU driver where Debian's account is missing, even if it is configured to use another. */
const ACCOUNT = {
  passwd: 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n',
  group: 'libvirt-qemu:x:64055:\n',
};

function withAccount(file: keyof typeof ACCOUNT): string {
  const text = readFileSync(`/etc/${file}`, 'utf8');
  return /^libvirt-qemu:/m.test(text) ? text : text + ACCOUNT[file];
}

export class PrivateLibvirtd {
  private constructor(readonly directory: string, private readonly child: ChildProcess) {}

  /** True where it can be started. */
  static get available(): boolean {
    return process.getuid?.() === 0 && ['/usr/sbin/libvirtd', '/usr/bin/unshare'].every((path) => existsSync(path));
  }

  /**
   * Starts the daemon and returns once it answers.
   * @param hostname of its own uts namespace
   */
  static async start(hostname = 'virga-test'): Promise<PrivateLibvirtd> {
    const directory = mkdtempSync(join(tmpdir(), 'virga-libvirtd-'));
    for (const name of ['run', 'etc', 'lib', 'log', 'cache']) mkdirSync(join(directory, name));
    for (const file of ['passwd', 'group'] as const) writeFileSync(join(directory, file), withAccount(file));
    writeFileSync(join(directory, 'etc/libvirtd.conf'), DAEMON_CONF);
    writeFileSync(join(directory, 'etc/qemu.conf'), QEMU_CONF);
    const child = spawn(
      'unshare',
      ['-m', '-n', '-u', '-p', '--fork', '--mount-proc', '--kill-child', 'bash', '-c', INIT, 'init', directory, hostname],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let complaint = '';
    child.stderr.on('data', (chunk) => (complaint += chunk));
    const daemon = new PrivateLibvirtd(directory, child);
    try {
      await daemon.answers(() => complaint);
    } catch (error) {
      await daemon.stop();
      throw error;
    }
    return daemon;
  }

  private async answers(complaint: () => string): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      try {
        const connection = await LibvirtConnection.open({ socketPath: this.socketPath, uri: 'test:///default', openTimeoutMs: 20_000 });
        return await connection.close();
      } catch (error) {
        if (this.child.exitCode !== null || tries > 200) {
          throw new Error(`libvirtd did not start: ${complaint()}${this.log}`, { cause: error });
        }
        await sleep(50);
      }
    }
  }

  get socketPath(): string {
    return join(this.directory, 'run/libvirt/libvirt-sock');
  }

  /** What the daemon logged. */
  get log(): string {
    const path = join(this.directory, 'log/libvirtd.log');
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** Pid of the daemon, or of the QEMU of domain `name`, in the caller's pid namespace. */
  pid(name?: string): number {
    const namespace = readlinkSync(`/proc/${this.initPid}/ns/pid`);
    const wanted = name ? `guest=${name},` : 'libvirtd';
    for (const entry of readdirSync('/proc')) {
      if (!/^\d+$/.test(entry)) continue;
      try {
        if (readlinkSync(`/proc/${entry}/ns/pid`) !== namespace) continue;
        const argv = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
        if (name ? argv.some((word) => word.startsWith(wanted)) : argv[0] === wanted) return Number(entry);
      } catch {
        continue; // it ended meanwhile
      }
    }
    throw new Error(`no process of ${name ?? 'libvirtd'}`);
  }

  /** Sends a signal to the daemon; after a deadly one it is started again by itself. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid(), signal);
  }

  /** Ends the daemon, its guests, and removes its files. */
  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = new Promise((resolve) => this.child.once('exit', resolve));
      this.child.kill('SIGKILL');
      await ended;
    }
    for (let tries = 0; ; tries += 1) {
      try {
        rmSync(this.directory, { recursive: true, force: true });
        return;
      } catch (error) {
        if (tries >= 20) throw error;
        await sleep(50);
      }
    }
  }

  private get initPid(): number {
    const children = readFileSync(`/proc/${this.child.pid}/task/${this.child.pid}/children`, 'utf8').trim().split(' ');
    return Number(children[0]);
  }
}
