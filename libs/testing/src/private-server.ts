import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * The keeper of a test's server: a shell whose standard input is a pipe from the test process. Each line is a word
 * (`start`, `kill`); the end of the pipe - also when the test process was killed - ends the server and removes its
 * directory, so that nothing outlives a test run.
 */
const KEEPER = `
dir=$1; shift
pid=
start() { "$@" >>"$dir/server.log" 2>&1 </dev/null & pid=$!; echo "$pid" >"$dir/pid.new"; mv "$dir/pid.new" "$dir/pid"; }
finish() { [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; pid=; }
while read -r word; do
  case $word in start) start "$@" ;; kill) finish; rm -f "$dir/pid" ;; esac
done
finish
rm -rf "$dir" $NOTE
`;

export interface PrivateServer {
  /** Process id of the running server (changes with each start). */
  pid(): number;
  /** kill -9; resolves when the process is gone. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Kills the server and removes its directory. */
  stop(): Promise<void>;
}

export interface PrivateServerSpec {
  dir: string;
  /** The server in the foreground, as one process; it is killed by its process id. */
  command: string[];
  env?: Record<string, string>;
  /** Resolves true as soon as the server answers. */
  ready: () => Promise<boolean>;
  readyTimeoutMs: number;
  /** A file that is removed with the server. */
  note?: string;
}

export const temporaryDirectory = (name: string, parent = tmpdir()): string => mkdtempSync(join(parent, `virga-${name}-`));

/** Starts a server that lives at most as long as this process. Throws with the tail of its log when it does not come up. */
export async function startPrivateServer(spec: PrivateServerSpec): Promise<PrivateServer> {
  const keeper = spawn('/bin/sh', ['-c', KEEPER, 'keeper', spec.dir, ...spec.command], {
    cwd: spec.dir,
    env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', NOTE: spec.note ?? '', ...spec.env },
    stdio: ['pipe', 'ignore', 'ignore'],
    // A process group of its own: a signal that ends the test run must not end the keeper before it has cleaned up.
    detached: true,
  });
  const gone = new Promise<void>((resolve) => { keeper.once('exit', () => resolve()); });
  keeper.unref();
  (keeper.stdin as unknown as { unref(): void }).unref();
  keeper.stdin.on('error', () => { /* the keeper is gone: nothing left to tell it */ });

  const pidFile = join(spec.dir, 'pid');
  const pid = (): number => Number(readFileSync(pidFile, 'utf8'));
  const start = async (): Promise<void> => {
    keeper.stdin.write('start\n');
    const deadline = Date.now() + spec.readyTimeoutMs;
    while (!(await spec.ready())) {
      const ended = existsSync(pidFile) && !isRunning(pid());
      if (!ended && Date.now() < deadline) {
        await pause(50);
        continue;
      }
      const log = existsSync(join(spec.dir, 'server.log')) ? readFileSync(join(spec.dir, 'server.log'), 'utf8').slice(-2000) : '';
      keeper.stdin.end();
      throw new Error(`${spec.command[0]} ${ended ? 'ended' : 'was not ready in time'}: ${log}`);
    }
  };
  await start();
  return {
    pid,
    start,
    kill: async () => {
      keeper.stdin.write('kill\n');
      while (existsSync(pidFile)) await pause(10);
    },
    stop: async () => {
      keeper.ref();
      keeper.stdin.end();
      await gone;
    },
  };
}

/**
 * One running instance for all test files of this process. Test files do not share memory under jest, so what is
 * needed to reach the instance (`T`) is noted in a file named by the process id.
 */
export async function sharedInProcess<T>(name: string, start: (note: string) => Promise<{ reach: T; pid: number }>): Promise<T> {
  const note = join(tmpdir(), `virga-shared-${name}-${process.pid}.json`);
  if (existsSync(note)) {
    const known = JSON.parse(readFileSync(note, 'utf8')) as { reach: T; pid: number; owner: number };
    if (isRunning(known.pid) && known.owner === processStart()) return known.reach;
    rmSync(note);
  }
  const started = await start(note);
  writeFileSync(`${note}.new`, JSON.stringify({ ...started, owner: processStart() }), { mode: 0o600 });
  renameSync(`${note}.new`, note);
  return started.reach;
}

/** Start time of this process in clock ticks since boot: tells it from an earlier one with the same process id. */
function processStart(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0] !== 'Z';
  } catch {
    return false;
  }
}

/**
 * A TCP port of the loopback that nobody listens on, from the given range. It is this process's for as long as it
 * lives: other test processes pass it by, also while its server is still starting or was killed.
 */
export async function freePort(from: number, to: number): Promise<number> {
  const size = to - from + 1;
  const first = (process.pid * 7 + Math.floor(Math.random() * size)) % size;
  for (let i = 0; i < size; i++) {
    const port = from + ((first + i) % size);
    if (!reservePort(port)) continue;
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error(`no free port from ${from} to ${to}`);
}

/** Notes the process as the owner of the port, unless another living process is. */
function reservePort(port: number): boolean {
  const directory = join(tmpdir(), 'virga-test-ports');
  const note = join(directory, String(port));
  mkdirSync(directory, { recursive: true });
  try {
    const owner = Number(readFileSync(note, 'utf8'));
    if (isRunning(owner)) return false;
    rmSync(note);
  } catch {
    // Nobody's, or just given up by its owner.
  }
  try {
    writeFileSync(note, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

/** True when something accepts connections there. */
export const accepts = (to: { host: string; port: number } | { path: string }): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection(to);
    socket.once('connect', () => { socket.destroy(); resolve(true); });
    socket.once('error', () => resolve(false));
  });
