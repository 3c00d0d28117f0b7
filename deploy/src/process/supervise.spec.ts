import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openListeners } from './listeners';
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
  const running = (): ProcessRef | undefined => alive('pid');
  const start = (run: string): void => {
    writeFileSync(join(directory, 'run'), `#!/bin/bash\n${run}\n`, { mode: 0o700 });
    supervisor = spawn('/bin/bash', [script, directory, join(directory, 'log')], { stdio: ['ignore', 'ignore', 'ignore', ...sockets] });
  };
  let sockets: number[];
  const alive = (file: string): ProcessRef | undefined => {
    const [pid, startTime] = read(file).split(' ');
    const ref = { pid: Number(pid), startTime: startTime ?? '' };
    return ref.pid > 0 && isAlive(ref) ? ref : undefined;
  };

  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), 'virga-supervise-')); mkdirSync(directory, { recursive: true }); sockets = []; });
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

  it('starts one more beside its part, and lets it take the place', async () => {
    start(`trap 'echo left; exit 0' TERM; echo begun; while :; do sleep 0.05; done`);
    const first = await until(() => read('log').includes('begun') && running());
    supervisor.kill('SIGUSR1');
    const second = await until(() => alive('next'));
    expect(isAlive(first)).toBe(true);
    expect(running()).toEqual(first);
    supervisor.kill('SIGUSR2');
    await until(() => !isAlive(first));
    expect(running()).toEqual(second);
    expect(existsSync(join(directory, 'next'))).toBe(false);
    expect(read('log')).toContain('left');
    expect(read('restarts')).toBe('0');
    // It watches over the new one as over the first.
    signal(second.pid, 'SIGKILL');
    await until(() => read('restarts') === '1' && running());
  });

  it('keeps its part when the one beside it dies, and makes that one the part when the part dies', async () => {
    start('echo begun; exec sleep 1000');
    const first = await until(running);
    supervisor.kill('SIGUSR1');
    const second = await until(() => alive('next'));
    signal(second.pid, 'SIGKILL');
    await until(() => !isAlive(second));
    expect(running()).toEqual(first);
    supervisor.kill('SIGUSR1');
    const third = await until(() => alive('next'));
    signal(first.pid, 'SIGKILL');
    await until(() => running()?.pid === third.pid);
    expect(read('restarts')).toBe('0');
  });

  it('starts a part anew at once when told to and there is no other, which counts as no failure', async () => {
    start('echo begun; exec sleep 1000');
    const first = await until(running);
    supervisor.kill('SIGUSR2');
    const second = await until(() => { const ref = running(); return ref && ref.pid !== first.pid && ref; });
    expect(isAlive(first)).toBe(false);
    expect(isAlive(second)).toBe(true);
    expect(read('restarts')).toBe('0');
    expect(read('log')).not.toContain('starting it again');
  });

  it('ends both when it is told to end while one stands beside the other', async () => {
    start('echo begun; exec sleep 1000');
    const first = await until(running);
    supervisor.kill('SIGUSR1');
    const second = await until(() => alive('next'));
    supervisor.kill('SIGTERM');
    await until(() => supervisor.exitCode !== null || supervisor.signalCode !== null);
    expect([first, second].filter(isAlive)).toEqual([]);
    expect(['pid', 'next', 'supervisor'].filter((file) => existsSync(join(directory, file)))).toEqual([]);
  });

  it('keeps a listening socket: who comes between two processes waits for the next', async () => {
    const opened = await openListeners([{ env: 'WHERE', host: '127.0.0.1', port: 0 }]);
    sockets = opened.fds;
    const serve = "process.on('SIGTERM', () => process.exit(0)); require('node:http').createServer((q, r) => r.end(String(process.pid))).listen({ fd: 3 }, () => console.log('serves'))";
    start(`[[ ! -e ${directory}/hold ]] || exit 1\nexec ${process.execPath} -e "${serve}"`);
    const { port } = opened;
    opened.close();
    const ask = async () => Number(await (await fetch(`http://127.0.0.1:${port[0]}/`, { headers: { connection: 'close' } })).text());
    const first = await until(() => read('log').includes('serves') && running());
    expect(await ask()).toBe(first.pid);
    writeFileSync(join(directory, 'hold'), '');
    signal(first.pid, 'SIGKILL');
    await until(() => Number(read('restarts')) >= 1);
    const waiting = ask();
    rmSync(join(directory, 'hold'));
    expect(await waiting).toBe((await until(running)).pid);
  });
});
