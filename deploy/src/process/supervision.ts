import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quote, renderEnv } from '../env-file';
import type { Part } from '../parts/part';
import { CLEAN_ENV } from '../run-command';
import type { Site } from '../site';
import { listenerLines, openListeners } from './listeners';
import { isAlive, signal, treeOf, type ProcessRef } from './processes';

/** What is known of a part from its directory below `<state>/parts`. */
export interface PartState {
  supervisor?: ProcessRef;
  process?: ProcessRef;
  /** Beside `process`, about to take its place. */
  next?: ProcessRef;
  /** How often it ended by itself since its supervisor began. */
  restarts: number;
  fingerprint?: string;
}

/** Parts that were ever started here. */
export const partNames = (site: Site): string[] => (existsSync(site.parts) ? readdirSync(site.parts) : []);

const directoryOf = (site: Site, name: string): string => join(site.parts, name);
export const logOf = (site: Site, name: string): string => join(site.log, `${name}.log`);

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function readRef(path: string): ProcessRef | undefined {
  const [pid, startTime] = readText(path)?.split(' ') ?? [];
  const ref = { pid: Number(pid), startTime: startTime ?? '' };
  return ref.pid > 1 && isAlive(ref) ? ref : undefined;
}

export function partState(site: Site, name: string): PartState {
  const directory = directoryOf(site, name);
  const supervisor = readRef(join(directory, 'supervisor'));
  const process = readRef(join(directory, 'pid'));
  const next = readRef(join(directory, 'next'));
  const fingerprint = readText(join(directory, 'fingerprint'));
  return {
    ...(supervisor && { supervisor }),
    ...(process && { process }),
    ...(next && { next }),
    ...(fingerprint && { fingerprint }),
    restarts: Number(readText(join(directory, 'restarts')) ?? 0),
  };
}

/** Changes when anything changes of what a part runs. */
export function fingerprintOf(part: Part): string {
  const hash = createHash('sha256').update(part.script).update('\0').update(renderEnv(part.env ?? {})).update(JSON.stringify(part.listen ?? []));
  for (const file of part.files ?? []) hash.update('\0').update(existsSync(file) ? readFileSync(file) : '');
  return hash.digest('hex');
}

/**
 * Sees to it that a part runs, as it is described now, and is healthy. A part that runs from an older description is
 * relieved by a newer one if it may be, else stopped first. Throws with the end of its log when it does not become healthy
 * in time.
 */
export async function ensureRunning(site: Site, part: Part): Promise<string> {
  const wanted = fingerprintOf(part);
  const state = partState(site, part.name);
  if (state.supervisor && state.process && state.fingerprint === wanted) {
    await waitHealthy(site, part);
    return 'running';
  }
  if (state.supervisor && state.process && part.relievable) return restartPart(site, part);
  const restarted = state.supervisor ?? state.process;
  if (restarted) await stopPart(site, part.name, part.stopTimeoutMs);
  writeRunFiles(site, part, wanted);
  const sockets = await openListeners(part.listen ?? []);
  const supervisor = spawn('/bin/bash', [join(site.release, 'supervise.sh'), directoryOf(site, part.name), logOf(site, part.name)],
    { detached: true, stdio: ['ignore', 'ignore', 'ignore', ...sockets.fds], cwd: '/', env: { ...CLEAN_ENV, HOME: '/nonexistent' } });
  supervisor.unref();
  sockets.close();
  await waitHealthy(site, part);
  return restarted ? 'started anew' : 'ready';
}

/**
 * Starts a running part anew, under the supervisor that it has. Where it may be relieved, the new process is there and ready
 * before the old one is told to leave; one that does not become ready is ended, and the old one stays. Else it is down for
 * as long as it takes to stop and to start. Throws when the new process does not become healthy.
 */
export async function restartPart(site: Site, part: Part): Promise<string> {
  const { supervisor, process: old } = partState(site, part.name);
  if (!supervisor || !old) return ensureRunning(site, part);
  writeRunFiles(site, part, fingerprintOf(part));
  const began = Date.now();
  if (part.relievable) await startBeside(site, part, supervisor);
  const ready = Date.now();
  signal(supervisor.pid, 'SIGUSR2');
  const left = await untilGone(old, (part.relievable && part.leaveTimeoutMs) || part.stopTimeoutMs);
  if (!left) signal(old.pid, 'SIGKILL');
  const gone = Date.now();
  await waitHealthy(site, part);
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  const leaving = `the old one ${left ? 'left' : 'was ended by force'} after ${seconds(gone - ready)}`;
  const { process: current } = partState(site, part.name);
  return `${old.pid} -> ${current?.pid ?? '?'}: ${part.relievable ? `the new one was ready after ${seconds(ready - began)}, ${leaving}` : `${leaving}, the new one was ready ${seconds(Date.now() - gone)} later`}`;
}

/** Has the supervisor start one more, and waits until it is ready. */
async function startBeside(site: Site, part: Part, supervisor: ProcessRef): Promise<void> {
  signal(supervisor.pid, 'SIGUSR1');
  const deadline = Date.now() + part.startTimeoutMs;
  let next: ProcessRef | undefined;
  let problem: string | undefined = 'it was not started';
  while (Date.now() < deadline) {
    await sleep(50);
    next ??= partState(site, part.name).next;
    if (!next) continue;
    problem = await part.health(next.pid);
    if (problem === undefined) return;
    if (!isAlive(next)) break;
  }
  if (next && isAlive(next)) signal(next.pid, 'SIGKILL');
  throw new Error(`the new process did not become ready, the old one stays: ${problem}\n${logTail(site, part.name, 12)}\n(log: ${logOf(site, part.name)})`);
}

async function untilGone(process: ProcessRef, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isAlive(process)) {
    if (Date.now() > deadline) return false;
    await sleep(25);
  }
  return true;
}

function writeRunFiles(site: Site, part: Part, fingerprint: string): void {
  const directory = directoryOf(site, part.name);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const envFile = join(site.etc, `${part.name}.env`);
  if (part.env) writeFileSync(envFile, renderEnv(part.env), { mode: 0o600 });
  else rmSync(envFile, { force: true });
  const reading = part.env ? `set -a\n. ${quote(envFile)}\nset +a\n` : '';
  writeFileSync(join(directory, 'run'), `#!/bin/bash\n# Written by virga up; changes are overwritten.\nset -e\n${reading}${listenerLines(part.listen ?? [])}${part.script}\n`, { mode: 0o700 });
  writeFileSync(join(directory, 'fingerprint'), `${fingerprint}\n`);
}

async function waitHealthy(site: Site, part: Part): Promise<void> {
  const deadline = Date.now() + part.startTimeoutMs;
  let pause = 40;
  for (;;) {
    const problem = await part.health();
    if (problem === undefined) return;
    const { restarts, supervisor } = partState(site, part.name);
    const hopeless = restarts >= 5 ? `it ended ${restarts} times` : Date.now() > deadline ? `not healthy after ${part.startTimeoutMs / 1000} s` : undefined;
    if (hopeless || (!supervisor && pause > 200)) {
      throw new Error(`${hopeless ?? 'its supervisor ended'}: ${problem}\n${logTail(site, part.name, 12)}\n(log: ${logOf(site, part.name)})`);
    }
    await sleep(pause);
    pause = Math.min(pause * 1.5, 400);
  }
}

/** The last lines of a part's log. */
export function logTail(site: Site, name: string, lines: number): string {
  return (readText(logOf(site, name)) ?? '').slice(-16_384).split('\n').slice(-lines).join('\n');
}

/** Ends a part with its supervisor and everything that it started and that is still its descendant. */
export async function stopPart(site: Site, name: string, timeoutMs: number): Promise<void> {
  const directory = directoryOf(site, name);
  const { supervisor, process, next } = partState(site, name);
  const refs = [supervisor, process, next].filter((ref) => ref !== undefined);
  if (refs.length === 0) return forget(directory);
  const tree = refs.flatMap((ref) => treeOf(ref.pid));
  for (const { pid } of refs) signal(pid, 'SIGTERM');
  const deadline = Date.now() + timeoutMs;
  while (refs.some(isAlive) && Date.now() < deadline) await sleep(25);
  // What did not listen, and helpers that outlived their parent: they share the supervisor's process group.
  for (const pid of tree) if (!refs.some((ref) => ref.pid === pid && !isAlive(ref)) && inGroup(pid, supervisor?.pid)) signal(pid, 'SIGKILL');
  for (const ref of refs) if (isAlive(ref)) signal(ref.pid, 'SIGKILL');
  while (refs.some(isAlive) && Date.now() < deadline + 5_000) await sleep(25);
  forget(directory);
}

function inGroup(pid: number, group: number | undefined): boolean {
  const fields = readText(`/proc/${pid}/stat`);
  return group !== undefined && fields !== undefined && Number(fields.slice(fields.lastIndexOf(')') + 2).split(' ')[2]) === group;
}

function forget(directory: string): void {
  for (const file of ['supervisor', 'pid', 'next', 'restarts']) rmSync(join(directory, file), { force: true });
}
