import { readFile } from 'node:fs/promises';
import { runTool } from '../disks/run-tool';

/** libvirt's lowest port for the memory of guests that come. */
const FIRST_PORT = 49_152;

export interface Stream { pid: number; local: string; remote: string }

export const portOf = (endpoint: string): number => Number(endpoint.slice(endpoint.lastIndexOf(':') + 1));
/** Without the brackets of an IPv6 address. */
export const addressOf = (endpoint: string): string => endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');

/** Connections with an end on one of the ports of migrations, from the output of `ss -Htnp state established`. */
export function streamsIn(text: string): Stream[] {
  return text.split('\n').flatMap((line) => {
    const words = line.trim().split(/\s+/);
    const at = words.findIndex((word) => word.startsWith('users:'));
    const pid = at < 2 ? undefined : /pid=(\d+)/.exec(words.slice(at).join(' '))?.[1];
    const [local, remote] = [words[at - 2], words[at - 1]];
    return pid === undefined || local === undefined || remote === undefined || Math.max(portOf(local), portOf(remote)) < FIRST_PORT ? [] : [{ pid: Number(pid), local, remote }];
  });
}

/** Those by which others have come here. */
export const incoming = (streams: readonly Stream[]): Stream[] => streams.filter(({ local }) => portOf(local) >= FIRST_PORT);

async function isMachineOf(pid: number, instanceId: string): Promise<boolean> {
  const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
  return words.some((word, index) => word === '-uuid' && words[index + 1] === instanceId);
}

/** Connections by which memory of the instance's machine comes or goes. */
export async function streamsOf(instanceId: string): Promise<Stream[]> {
  const streams = streamsIn(await runTool('ss', ['-Htnp', 'state', 'established']));
  const own = await Promise.all(streams.map(({ pid }) => isMachineOf(pid, instanceId)));
  return streams.filter((_stream, index) => own[index]);
}
