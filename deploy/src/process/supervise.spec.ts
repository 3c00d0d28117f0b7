import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, signal, type ProcessRef } from './processes';

const script = join(__dirname, '../../supervise.sh');
const until = async <T>(probe: () => T | undefined | false): Promise<T> => {
  for (;;) {
    const value = probe();
    if (value) return value;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
};

describe('supervise.sh', () => {
  let directory: string;
  let supervisor: ChildProcess;
  const read = (file: string): string => { try { return readFileSync(join(directory, file), 'utf8').trim(); } catch { return ''; } };
  const running = (): ProcessRef | undefined => {
    const [pid, startTime] = read('pid').split(' ');
    const ref = { pid: Number(pid), startTime: startTime ?? '' };
    return ref.pid > 0 && isAlive(ref) ? ref : undefined;
  };
  const start = (run: string): void => {
    writeFileSync(join(directory, 'run'), `#!/bin/bash\n${run}\n`, { mode: 0o700 });
    supervisor = spawn('/bin/bash', [script, directory, join(directory, 'log')], { stdio: 'ignore' });
  };

  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), 'virga-supervise-')); mkdirSync(directory, { recursive: true }); });
  afterEach(async () => {
    supervisor.kill('SIGTERM');
    await until(() => supervisor.exitCode !== null || supervisor.signalCode !== null);
    const left = running();
    if (left) signal(left.pid, 'SIGKILL');
    rmSync(directory, { recursive: true });
  });

  it('starts a killed part again and counts it', async () => {
    start('echo begun; exec sleep 1000');
    const first = await until(running);
    signal(first.pid, 'SIGKILL');
    const second = await until(() => { const ref = running(); return ref && ref.pid !== first.pid && ref; });
    expect(second.pid).not.toBe(first.pid);
    expect(read('restarts')).toBe('1');
    expect(read('log')).toContain('ended with status 137');
  });

  it('ends its part in order when told to end, waits for it, and leaves no PID files', async () => {
    start(`trap 'sleep 0.3; echo cleaned up; exit 0' TERM; echo begun; while :; do sleep 0.05; done`);
    await until(() => running() && read('log').includes('begun'));
    supervisor.kill('SIGTERM');
    await until(() => supervisor.exitCode !== null || supervisor.signalCode !== null);
    expect(read('log')).toContain('cleaned up');
    expect(['pid', 'supervisor'].filter((file) => existsSync(join(directory, file)))).toEqual([]);
  });
});
