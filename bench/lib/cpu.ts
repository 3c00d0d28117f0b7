import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks of /proc, 100 a second on every Linux that Node runs on. */
const TICK_MS = 10;

interface Times { ppid: number; ms: number }

/** User and system time of a process, in ms, with its children that have ended. */
function timesOf(pid: string): Times | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number);
    return { ppid: fields[1]!, ms: (fields[11]! + fields[12]! + fields[13]! + fields[14]!) * TICK_MS };
  } catch {
    return undefined;
  }
}

/** CPU time so far of named processes, each with all that descend from it, ms. */
export function cpuByPart(parts: readonly { name: string; pid: number }[]): Map<string, number> {
  const times = new Map(readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    const found = timesOf(pid);
    return found ? [[Number(pid), found] as const] : [];
  }));
  const children = new Map<number, number[]>();
  for (const [pid, { ppid }] of times) children.set(ppid, [...(children.get(ppid) ?? []), pid]);
  return new Map(parts.map(({ name, pid }) => {
    const tree = [pid];
    for (const one of tree) tree.push(...(children.get(one) ?? []));
    return [name, tree.reduce((sum, one) => sum + (times.get(one)?.ms ?? 0), 0)];
  }));
}

/** What each part took between two looks, ms, the greediest first. */
export const cpuBetween = (before: Map<string, number>, after: Map<string, number>): [name: string, ms: number][] =>
  [...after].map(([name, ms]): [string, number] => [name, ms - (before.get(name) ?? 0)]).sort(([, a], [, b]) => b - a);
