import type { Part } from '../../deploy/src/parts/part';
import { commandOf, isAlive, pidsInUtsNamespace, signal } from '../../deploy/src/process/processes';
import { partState } from '../../deploy/src/process/supervision';
import type { HostPlan, Site } from '../../deploy/src/site';
import { runInHost, utsInode } from '../../deploy/src/stages/host-namespace';
import { until } from '../cloud';
import type { Random } from './random';

/** How likely a part is chosen; those of hosts by the end of their name. What is not named is left alone. */
const WEIGHTS: Record<string, number> = {
  conductor: 8, 'compute-api': 4, network: 5, scheduler: 4, image: 2, identity: 2, rabbitmq: 4, mariadb: 4, 'ovn-nb': 2, 'ovn-sb': 1, 'ovn-northd': 1,
  'console-proxy': 1, agent: 5, libvirtd: 4, 'ovn-controller': 2, vswitchd: 2, ovsdb: 1,
};
const BACK_MS = 120_000;

export interface Kill { part: string; at: number; backAfterMs: number | undefined }

const weightOf = ({ name, host }: Part): number => WEIGHTS[host ? name.slice(host.length + 1) : name] ?? 0;

/** Ends parts as a power cut or the kernel does, one to four at a time, and waits until their supervisors have them back. */
export class Killer {
  readonly kills: Kill[] = [];
  /** When the last part that was killed was healthy again. */
  lastBackAt = 0;
  private readonly targets: readonly (readonly [Part, number])[];

  constructor(private readonly site: Site, parts: readonly Part[], private readonly random: Random, private readonly say: (text: string) => void) {
    this.targets = parts.flatMap((part) => (weightOf(part) > 0 ? [[part, weightOf(part)] as const] : []));
  }

  async round(): Promise<void> {
    const chosen = new Set([this.random.pick(this.targets)]);
    while (this.random.chance(0.5) && chosen.size < 4) chosen.add(this.random.pick(this.targets));
    await Promise.all([...chosen].map((part) => this.kill(part)));
  }

  private async kill(part: Part): Promise<void> {
    const kill: Kill = { part: part.name, at: Date.now(), backAfterMs: undefined };
    const killed = killPart(this.site, part);
    if (!killed) return;
    this.kills.push(kill);
    if (!(await killed)) return this.say(`${part.name} is not back after ${BACK_MS / 1000} s: ${await part.health()}`);
    this.lastBackAt = Date.now();
    kill.backAfterMs = this.lastBackAt - kill.at;
    return undefined;
  }
}

/** kill -9 of a part; undefined when it does not run, else whether its supervisor has it back, healthy, in time. */
export function killPart(site: Site, part: Part): Promise<boolean> | undefined {
  const before = partState(site, part.name).process;
  if (!before) return undefined;
  signal(before.pid, 'SIGKILL');
  return until(`${part.name} to be back`, async () => {
    const now = isAlive(before) ? undefined : partState(site, part.name).process;
    return now !== undefined && now.pid !== before.pid && (await part.health()) === undefined;
  }, BACK_MS, 200).catch(() => false);
}

/** Ids of the instances that a host has emulators of; twice for two of them. */
const guestsOn = (host: HostPlan): string[] => {
  const inode = utsInode(host);
  return inode === undefined ? [] : pidsInUtsNamespace(inode).flatMap((pid) => / -uuid ([0-9a-f-]{36})/.exec(commandOf(pid))?.[1] ?? []);
};

const runsOn = async (host: HostPlan, id: string): Promise<boolean> => {
  const answer = await runInHost(host, ['virsh', '--connect', 'qemu:///system', 'domstate', id], 5000).catch(() => undefined);
  return answer?.stdout.trim() === 'running';
};

/**
 * Instances that run twice at this moment. While a guest moves, the destination has a machine that waits: only who runs on both
 * hosts at one time, by the word of both, is doubled.
 */
export async function doubledGuests(site: Site): Promise<string[]> {
  const places = new Map<string, HostPlan[]>();
  for (const host of site.hosts) for (const id of guestsOn(host)) places.set(id, [...(places.get(id) ?? []), host]);
  const doubled: string[] = [];
  for (const [id, [one, other]] of places) {
    if (!one || !other) continue;
    if (one === other || ((await runsOn(one, id)) && (await runsOn(other, id)) && (await runsOn(one, id)))) doubled.push(id);
  }
  return doubled;
}

/** Guests on the hosts of this cloud; an emulator that libvirt only asks what it can do is none. */
export const guestProcesses = (site: Site): string[] => site.hosts.flatMap(guestsOn);
