import { readFile } from 'node:fs/promises';
import { runTool } from '../disks/run-tool';

/** libvirt's lowest port for the memory of guests that come. */
const FIRST_PORT = 49_152;

export interface Stream { pid: number; local: string; remote: string }

const portOf = (endpoint: string): number => Number(endpoint.slice(endpoint.lastIndexOf(':') + 1));

/** Connections that came in on the ports of migrations, from the output of `ss -Htnp state established`. */
export function incomingStreams(text: string): Stream[] {
  return text.split('\n').flatMap((line) => {
    const words = line.trim().split(/\s+/);
    const at = words.findIndex((word) => word.startsWith('users:'));
    const pid = at < 2 ? undefined : /pid=(\d+)/.exec(words.slice(at).join(' '))?.[1];
    const [local, remote] = [words[at - 2], words[at - 1]];
    return pid === undefined || local === undefined || remote === undefined || portOf(local) < FIRST_PORT ? [] : [{ pid: Number(pid), local, remote }];
  });
}

async function isMachineOf(pid: number, instanceId: string): Promise<boolean> {
  const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
  return words.some((word, index) => word === '-uuid' && words[index + 1] === instanceId);
}

/** Has the kernel close every connection by which memory comes to the instance's machine; returns how many. */
export async function dropIncomingStream(instanceId: string): Promise<number> {
  let dropped = 0;
  for (const { pid, local, remote } of incomingStreams(await runTool('ss', ['-Htnp', 'state', 'established']))) {
    if (!(await isMachineOf(pid, instanceId))) continue;
    await runTool('ss', ['-Ktn', 'src', local, 'dst', remote]);
    dropped++;
  }
  return dropped;
}
