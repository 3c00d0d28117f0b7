import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const schemaFiles = {
  northbound: '/usr/share/ovn/ovn-nb.ovsschema',
  southbound: '/usr/share/ovn/ovn-sb.ovsschema',
  openVSwitch: '/usr/share/openvswitch/vswitch.ovsschema',
};

/** A directory for one story's sockets and files; short, because unix socket paths are. */
export function storyDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'ovsdb-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Calls until the answer is truthy; throws after `timeoutMs`. */
export async function until<T>(what: string, probe: () => T | Promise<T>, timeoutMs = 60_000): Promise<NonNullable<T>> {
  for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await sleep(20)) {
    const answer = await probe();
    if (answer) return answer;
  }
  throw new Error(`${what}: not within ${timeoutMs} ms`);
}

/** A real ovsdb-server on a private socket; it can be killed and started again on the same file. */
export class TestServer {
  readonly socket: string;
  readonly remote: string;
  readonly file: string;
  private child: ChildProcess | undefined;

  constructor(
    private readonly directory: string,
    private readonly name: string,
    schema: string,
    private readonly extraArguments: readonly string[] = [],
  ) {
    this.file = join(directory, `${name}.db`);
    this.socket = join(directory, `${name}.sock`);
    this.remote = `unix:${this.socket}`;
    execFileSync('ovsdb-tool', ['create', this.file, schema]);
  }

  async start(): Promise<this> {
    rmSync(this.socket, { force: true });
    this.child = spawn(
      'ovsdb-server',
      [this.file, `--remote=punix:${this.socket}`, `--unixctl=${join(this.directory, `${this.name}.ctl`)}`, '--no-chdir', '-vconsole:off', ...this.extraArguments],
      { stdio: 'ignore', env: { ...process.env, OVS_RUNDIR: this.directory, OVS_DBDIR: this.directory } },
    );
    await until(`socket of ${this.name}`, () => existsSync(this.socket));
    return this;
  }

  /** Ends the server and waits until it is gone. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.kill(signal);
    });
  }

  /** Runs `ovs-appctl` against the server, e.g. to compact the database. */
  control(...command: string[]): string {
    return execFileSync('ovs-appctl', ['-t', join(this.directory, `${this.name}.ctl`), ...command], { encoding: 'utf8' });
  }
}
