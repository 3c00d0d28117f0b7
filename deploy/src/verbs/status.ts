import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadSite, type Launch } from '../load-site';
import type { Options } from '../options';
import { getOverSocket } from '../health/http-health';
import { adminSocket } from '../parts/apps';
import { partsOf } from '../parts/catalog';
import type { Part } from '../parts/part';
import { ageSeconds, allPids, commOf, isAlive, pidsInUtsNamespace, pssKib, treeOf } from '../process/processes';
import { partState } from '../process/supervision';
import { SecretStore } from '../secrets';
import type { Site } from '../site';
import { utsInode } from '../stages/host-namespace';

export interface PartStatus {
  name: string;
  pid: number | null;
  pssKib: number;
  uptimeSeconds: number | null;
  restarts: number;
  healthy: boolean;
  /** Why it is not healthy. */
  problem?: string;
}

export interface GuestStatus {
  host: string;
  pid: number;
  pssKib: number;
}

export interface CloudStatus {
  state: string;
  name: string;
  healthy: boolean;
  /** Parts and supervisors, without the guests. */
  controlPlanePssKib: number;
  supervisorsPssKib: number;
  /** Processes of the hosts that belong to no part and no guest, e.g. the metadata proxies of networks. */
  otherPssKib: number;
  guestsPssKib: number;
  /** Messages that could not be handled and lie with the broker; null when the conductor does not tell. */
  deadLetters: number | null;
  parts: PartStatus[];
  guests: GuestStatus[];
}

const isEmulator = (pid: number): boolean => commOf(pid).startsWith('qemu-system');

async function statusOf(site: Site, part: Part, pids: number[]): Promise<PartStatus> {
  const state = partState(site, part.name);
  const running = state.process;
  const problem = running ? await part.health() : 'does not run';
  return {
    name: part.name,
    pid: running?.pid ?? null,
    pssKib: running ? treeOf(running.pid, pids).filter((pid) => !isEmulator(pid)).reduce((sum, pid) => sum + pssKib(pid), 0) : 0,
    uptimeSeconds: running && isAlive(running) ? Math.round(ageSeconds(running.startTime)) : null,
    restarts: state.restarts,
    healthy: problem === undefined && state.supervisor !== undefined,
    ...(problem !== undefined ? { problem } : state.supervisor ? {} : { problem: 'runs, but nothing would start it again; ./virga up repairs that' }),
  };
}

export async function inspectCloud(site: Site): Promise<CloudStatus> {
  const pids = allPids();
  const described = partsOf(site, new SecretStore(join(site.etc, 'secrets.json')));
  const parts = await Promise.all(described.map((part) => statusOf(site, part, pids)));
  const counted = new Set(parts.flatMap(({ pid }) => (pid === null ? [] : treeOf(pid, pids))));
  const guests: GuestStatus[] = [];
  let otherPssKib = 0;
  for (const host of site.hosts) {
    const inode = utsInode(host);
    for (const pid of inode === undefined ? [] : pidsInUtsNamespace(inode)) {
      if (isEmulator(pid)) guests.push({ host: host.name, pid, pssKib: pssKib(pid) });
      else if (!counted.has(pid)) otherPssKib += pssKib(pid);
    }
  }
  const supervisorsPssKib = readdirSync(site.parts).map((name) => partState(site, name).supervisor)
    .reduce((sum, ref) => sum + (ref ? pssKib(ref.pid) : 0), 0);
  return {
    state: site.state,
    name: site.settings.name,
    healthy: parts.every(({ healthy }) => healthy),
    controlPlanePssKib: parts.reduce((sum, part) => sum + part.pssKib, 0) + supervisorsPssKib + otherPssKib,
    supervisorsPssKib,
    otherPssKib,
    guestsPssKib: guests.reduce((sum, guest) => sum + guest.pssKib, 0),
    deadLetters: await deadLetters(site),
    parts,
    guests,
  };
}

async function deadLetters(site: Site): Promise<number | null> {
  const { body } = await getOverSocket(adminSocket(site, 'conductor'), '/metrics').catch(() => ({ body: '' }));
  const value = /^virga_dead_letters (\d+)$/m.exec(body)?.[1];
  return value === undefined ? null : Number(value);
}

const megabytes = (kib: number): string => (kib / 1024).toFixed(1);

export function duration(seconds: number | null): string {
  if (seconds === null) return '-';
  const days = Math.floor(seconds / 86_400);
  const clock = new Date(seconds * 1000).toISOString().slice(11, 19);
  return days > 0 ? `${days}d ${clock}` : clock;
}

export function renderStatus(cloud: CloudStatus): string {
  const rows = [
    ['PART', 'PID', 'PSS MiB', 'UPTIME', 'RESTARTS', 'HEALTH'],
    ...cloud.parts.map((part) => [part.name, part.pid === null ? '-' : String(part.pid), megabytes(part.pssKib), duration(part.uptimeSeconds), String(part.restarts),
      part.healthy ? 'ok' : `NOT OK: ${part.problem!.split('\n')[0]}`]),
    ['(supervisors)', '', megabytes(cloud.supervisorsPssKib), '', '', ''],
    ...(cloud.otherPssKib > 0 ? [['(other on hosts)', '', megabytes(cloud.otherPssKib), '', '', '']] : []),
    ['TOTAL', '', megabytes(cloud.controlPlanePssKib), '', '', cloud.healthy ? 'ok' : 'NOT OK'],
    ...(cloud.guests.length > 0 ? [[`${cloud.guests.length} guest(s)`, '', megabytes(cloud.guestsPssKib), '', '', '']] : []),
  ];
  const note = cloud.deadLetters ? `\n${cloud.deadLetters} message(s) could not be handled and lie in the broker's queue virga.dead.` : '';
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const rightAligned = new Set([1, 2, 3, 4]);
  return rows.map((row) => row.map((cell, column) => (rightAligned.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join('  ').trimEnd()).join('\n') + note;
}

/** Prints every part; exit code 1 if one is not healthy. */
export async function status(launch: Launch, options: Options): Promise<number> {
  const cloud = await inspectCloud(loadSite(launch));
  process.stdout.write(`${options.json ? JSON.stringify(cloud, null, 2) : renderStatus(cloud)}\n`);
  return cloud.healthy ? 0 : 1;
}
