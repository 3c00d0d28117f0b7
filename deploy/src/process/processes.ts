import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process by PID and start time (clock ticks since boot), so that a reused PID is not taken for it. */
export interface ProcessRef {
  pid: number;
  startTime: string;
}

interface Stat {
  state: string;
  ppid: number;
  startTime: string;
}

/** Fields of /proc/<pid>/stat; undefined when the process is gone. The command name may hold blanks and brackets. */
export function parseStat(text: string): Stat | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (fields.length < 20) return undefined;
  return { state: fields[0]!, ppid: Number(fields[1]), startTime: fields[19]! };
}

function statOf(pid: number): Stat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

export function isAlive({ pid, startTime }: ProcessRef): boolean {
  const stat = statOf(pid);
  return stat !== undefined && stat.startTime === startTime && stat.state !== 'Z';
}

export const allPids = (): number[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number);

/** The process and all that descend from it. */
export function treeOf(root: number, pids = allPids()): number[] {
  const children = new Map<number, number[]>();
  for (const pid of pids) {
    const stat = statOf(pid);
    if (stat) children.set(stat.ppid, [...(children.get(stat.ppid) ?? []), pid]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** Proportional set size in KiB; 0 for a process that is gone. */
export function pssKib(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Seconds since a process began. */
export function ageSeconds(startTime: string): number {
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  return Math.max(0, uptime - Number(startTime) / 100); // USER_HZ is 100 on every Linux that Debian ships
}

/** Inode of a namespace, by a file that stands for it (/proc/PID/ns/uts or a bind mount of it). */
function namespaceLink(pid: number, kind: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`);
  } catch {
    return undefined;
  }
}

/** Every process in the UTS namespace `inode`: that is how all of a host is found, whatever it forked or unshared. */
export const pidsInUtsNamespace = (inode: number): number[] =>
  allPids().filter((pid) => namespaceLink(pid, 'uts') === `uts:[${inode}]`);

export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

export const commOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
};

/** Sends a signal; a process that is gone is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
