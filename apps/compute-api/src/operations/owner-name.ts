import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';

const read = (take: () => string): string => {
  try { return take(); } catch { return ''; }
};
/** Start time of a process in clock ticks since boot; undefined when there is none of that number. */
function startOf(pid: number | string): string | undefined {
  const line = read(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return line === '' ? undefined : line.slice(line.lastIndexOf(')') + 2).split(' ')[19];
}

/** This boot of this machine, and this process's view of its process numbers: within both a number and a start time mean one process. */
const place = (): string => {
  const boot = read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')).slice(0, 8);
  const numbers = /\d+/.exec(read(() => readlinkSync('/proc/self/ns/pid')))?.[0] ?? '';
  return `${boot}.${numbers}`;
};

/** Name of an owner of operations. It says which process it is, so that its death can be seen and need not be waited for. */
export const ownerName = (): string => `conductor-${place()}-${process.pid}.${startOf('self') ?? ''}-${randomBytes(4).toString('hex')}`;

/** True only when the owner was a process of this very machine and that process is gone; false also when it cannot be known. */
export function isDead(owner: string): boolean {
  const match = /^conductor-([0-9a-f]{8}\.\d+)-(\d+)\.(\d+)-[0-9a-f]{8}$/.exec(owner);
  if (!match || match[1] !== place()) return false;
  return startOf(match[2]!) !== match[3];
}
