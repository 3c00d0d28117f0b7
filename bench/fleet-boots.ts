/**
 * Boots and deletes servers on simulated hosts, everything else real: API, scheduler, ports, database and broker, each
 * commit on disk. Starts a cloud of its own and takes it down again:
 * `node dist/bench/fleet-boots.js [--state DIR] [--boots 1000] [--clients 32] [--hosts 200] [--singles 40] [--realise on|off] [--keep] [--report FILE]`
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { cpuBetween, cpuByPart } from './lib/cpu';
import { percentile } from './lib/figures';
import { destroyFleetCloud, FleetCloud } from './lib/fleet-cloud';

const { values: given } = parseArgs({
  options: {
    state: { type: 'string', default: '/tmp/virga-fleet' }, boots: { type: 'string', default: '1000' }, clients: { type: 'string', default: '32' },
    hosts: { type: 'string', default: '200' }, singles: { type: 'string', default: '40' }, realise: { type: 'string', default: 'off' },
    keep: { type: 'boolean', default: false }, report: { type: 'string' }, 'port-offset': { type: 'string', default: '7000' },
  },
});
const [boots, clients, hosts, singles] = [given.boots, given.clients, given.hosts, given.singles].map(Number) as [number, number, number, number];

const pause = (ms: number) => new Promise<void>((resolve) => { setTimeout(resolve, ms); });
const lines: string[] = [];
const say = (line = ''): void => { lines.push(line); console.log(line); };

async function until(what: string, check: () => Promise<boolean>, timeoutMs: number, everyMs = 100): Promise<void> {
  for (const end = Date.now() + timeoutMs; !(await check()); await pause(everyMs)) {
    if (Date.now() > end) throw new Error(`waited ${timeoutMs / 1000} s in vain for ${what}`);
  }
}

/** `work` for each number below `count`, at most `clients` at a time. */
async function inParallel(count: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: Math.min(clients, count) }, async () => { while (next < count) await work(next++); }));
}

interface Setting { imageId: string; flavorId: string; networkId: string }

/** Quotas out of the way, and what every server is made from. */
async function prepare(cloud: FleetCloud): Promise<Setting> {
  const { projects } = await cloud.call<{ projects: { id: string }[] }>('GET', 'identity', '/projects?name=admin');
  const project = projects[0]!.id;
  await cloud.call('PUT', 'compute', `/os-quota-sets/${project}`, { quota_set: { instances: -1, cores: -1, ram: -1 } });
  await cloud.call('PUT', 'network', `/v2.0/quotas/${project}`, { quota: { port: -1 } });
  const { flavors } = await cloud.call<{ flavors: { id: string; name: string }[] }>('GET', 'compute', '/flavors');
  const { networks: old } = await cloud.call<{ networks: { id: string }[] }>('GET', 'network', '/v2.0/networks?name=fleet');
  const { images: oldImages } = await cloud.call<{ images: { id: string }[] }>('GET', 'image', '/v2/images?name=fleet');
  const networkId = old[0]?.id ?? (await cloud.call<{ network: { id: string } }>('POST', 'network', '/v2.0/networks', { network: { name: 'fleet' } })).network.id;
  if (!old[0]) await cloud.call('POST', 'network', '/v2.0/subnets', { subnet: { network_id: networkId, ip_version: 4, cidr: '10.90.0.0/19' } });
  let imageId = oldImages[0]?.id;
  if (!imageId) {
    imageId = (await cloud.call<{ id: string }>('POST', 'image', '/v2/images', { name: 'fleet', disk_format: 'raw', container_format: 'bare' })).id;
    await cloud.call('PUT', 'image', `/v2/images/${imageId}/file`, undefined, new Uint8Array(1 << 20));
  }
  await until(`${hosts} hosts`, async () => (await cloud.count('SELECT COUNT(*) AS n FROM placement.hosts')) >= hosts, 60_000);
  return { imageId, flavorId: flavors.find(({ name }) => name === 'm1.tiny')!.id, networkId };
}

const serverBody = ({ imageId, flavorId, networkId }: Setting, name: string) => ({ server: { name, imageRef: imageId, flavorRef: flavorId, networks: [{ uuid: networkId }] } });

const LIVE = 'FROM compute.instances WHERE deleted_at IS NULL';

/** What must be nothing once all is deleted. */
const LEFT: Record<string, string> = {
  'servers': `SELECT COUNT(*) AS n ${LIVE}`,
  'operations that have not ended': "SELECT COUNT(*) AS n FROM compute.operations WHERE state IN ('pending', 'running', 'parked')",
  'commands that wait for a report': "SELECT COUNT(*) AS n FROM compute.commands WHERE state = 'sent'",
  'messages in the outbox': 'SELECT COUNT(*) AS n FROM compute.outbox',
  'quota in use': "SELECT COALESCE(SUM(instances + cores + ram), 0) AS n FROM compute.quota_usages",
  'ports of servers': "SELECT COUNT(*) AS n FROM network.ports WHERE device_owner LIKE 'compute:%'",
  'addresses of such ports': "SELECT COUNT(*) AS n FROM network.ip_allocations a LEFT JOIN network.ports p ON p.id = a.port_id WHERE p.id IS NULL OR p.device_owner LIKE 'compute:%'",
  'allocations': 'SELECT COUNT(*) AS n FROM placement.allocations',
};

async function leftovers(cloud: FleetCloud): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const [what, statement] of Object.entries(LEFT)) found[what] = await cloud.count(statement);
  // Every host reports every three seconds what it runs.
  const stale = await cloud.query<{ usage_json: string }>('SELECT usage_json FROM compute.hosts');
  found['machines on hosts'] = stale.reduce((sum, { usage_json: text }) => sum + (JSON.parse(text) as { runningInstances: number }).runningInstances, 0);
  return found;
}

interface Phase { seconds: number; cpu: [string, number][]; clientMs: number }

async function measured(cloud: FleetCloud, work: () => Promise<void>): Promise<Phase> {
  const [before, began, own] = [cpuByPart(cloud.parts), performance.now(), process.cpuUsage()];
  await work();
  const used = process.cpuUsage(own);
  return { seconds: (performance.now() - began) / 1000, cpu: cpuBetween(before, cpuByPart(cloud.parts)), clientMs: (used.user + used.system) / 1000 };
}

const total = ({ cpu }: Phase): number => cpu.reduce((sum, [, ms]) => sum + ms, 0);

function sayCpu(phase: Phase, count: number): void {
  say('');
  say('| process | CPU s | ms each |');
  say('|---|---|---|');
  for (const [name, ms] of phase.cpu) if (ms >= 10) say(`| ${name} | ${(ms / 1000).toFixed(2)} | ${(ms / count).toFixed(2)} |`);
  say(`| **all** | **${(total(phase) / 1000).toFixed(2)}** | **${(total(phase) / count).toFixed(2)}** |`);
  say(`| (this client, not counted) | ${(phase.clientMs / 1000).toFixed(2)} | ${(phase.clientMs / count).toFixed(2)} |`);
  say('');
}

async function singleBoots(cloud: FleetCloud, setting: Setting): Promise<void> {
  const answered: number[] = [];
  const ids: string[] = [];
  for (let round = 0; round < singles; round++) {
    const began = performance.now();
    const { status, text } = await cloud.compute('POST', '/servers', serverBody(setting, `single-${round}`));
    if (status !== 202) throw new Error(`POST /servers: ${status} ${text}`);
    answered.push(performance.now() - began);
    const id = (JSON.parse(text) as { server: { id: string } }).server.id;
    ids.push(id);
    await until('one boot', async () => (await cloud.count(`SELECT COUNT(*) AS n ${LIVE} AND id = '${id}' AND vm_state = 'active'`)) === 1, 30_000, 20);
    await pause(50);
  }
  const rows = await cloud.query<{ ms: string }>(`SELECT TIMESTAMPDIFF(MICROSECOND, created_at, launched_at) / 1000 AS ms ${LIVE} AND id IN (${ids.map((id) => `'${id}'`).join(',')})`);
  const engine = rows.map(({ ms }) => Number(ms));
  say(`## One boot at a time (${singles}, hosts without delay)`);
  say(`Accepted to ACTIVE, by the database's clock: p50 ${percentile(engine, 0.5).toFixed(0)} ms, p95 ${percentile(engine, 0.95).toFixed(0)} ms (goal at most 150), most ${Math.max(...engine).toFixed(0)} ms.`);
  say(`POST /servers answered: p50 ${percentile(answered, 0.5).toFixed(0)} ms, p95 ${percentile(answered, 0.95).toFixed(0)} ms.`);
  say('');
  await inParallel(ids.length, async (n) => { await cloud.compute('DELETE', `/servers/${ids[n]}`); });
  await until('the single servers to go', async () => (await cloud.count(`SELECT COUNT(*) AS n ${LIVE}`)) === 0, 60_000);
}

async function manyBoots(cloud: FleetCloud, setting: Setting): Promise<string[]> {
  const sentAt = new Map<string, number>();
  const answered: number[] = [];
  const refused: string[] = [];
  const phase = await measured(cloud, async () => {
    await inParallel(boots, async (n) => {
      const [at, began] = [Date.now(), performance.now()];
      const { status, text } = await cloud.compute('POST', '/servers', serverBody(setting, `boot-${n}`)).catch((error: Error) => ({ status: 0, text: error.message }));
      if (status !== 202) return void refused.push(`${status} ${text.slice(0, 200)}`);
      answered.push(performance.now() - began);
      sentAt.set((JSON.parse(text) as { server: { id: string } }).server.id, at);
    });
    await until('all boots to end', async () => (await cloud.count(`SELECT COUNT(*) AS n ${LIVE} AND task_state IS NOT NULL`)) === 0, 600_000, 200);
  });
  const rows = await cloud.query<{ id: string; vm_state: string; ms: string }>(`SELECT id, vm_state, UNIX_TIMESTAMP(launched_at) * 1000 AS ms ${LIVE}`);
  const active = rows.filter(({ vm_state: state }) => state === 'active');
  const latency = active.map(({ id, ms }) => Number(ms) - sentAt.get(id)!);
  say(`## ${boots} boots, ${clients} clients, ${hosts} hosts`);
  say(`${active.length} ACTIVE, ${rows.length - active.length} in ERROR, ${refused.length} refused; ${phase.seconds.toFixed(1)} s: **${(active.length / phase.seconds).toFixed(1)} boots per second** (goal at least 30), **${(total(phase) / boots).toFixed(1)} ms of CPU per boot** (goal at most 60).`);
  say(`POST sent to ACTIVE: p50 ${(percentile(latency, 0.5) / 1000).toFixed(2)} s, p99 ${(percentile(latency, 0.99) / 1000).toFixed(2)} s. POST answered: p50 ${percentile(answered, 0.5).toFixed(0)} ms, p99 ${percentile(answered, 0.99).toFixed(0)} ms.`);
  for (const reason of new Set(refused)) say(`refused: ${reason}`);
  sayCpu(phase, boots);
  if (active.length !== boots) process.exitCode = 1;
  return rows.map(({ id }) => id);
}

async function manyDeletes(cloud: FleetCloud, ids: string[]): Promise<void> {
  const refused: string[] = [];
  const phase = await measured(cloud, async () => {
    await inParallel(ids.length, async (n) => {
      const { status, text } = await cloud.compute('DELETE', `/servers/${ids[n]}`);
      if (status !== 204) refused.push(`${status} ${text.slice(0, 200)}`);
    });
    await until('all servers to go', async () => (await cloud.count(`SELECT COUNT(*) AS n ${LIVE}`)) === 0, 600_000, 200);
  });
  say(`## ${ids.length} deletes`);
  say(`${refused.length} refused; ${phase.seconds.toFixed(1)} s: ${(ids.length / phase.seconds).toFixed(1)} deletes per second, ${(total(phase) / ids.length).toFixed(1)} ms of CPU per delete.`);
  sayCpu(phase, ids.length);
  await pause(8000);
  const left = await leftovers(cloud);
  const some = Object.entries(left).filter(([, count]) => count !== 0);
  say(some.length === 0 ? `Left over: nothing (${Object.keys(left).join(', ')}: 0 each).` : `Left over: ${some.map(([what, count]) => `${count} ${what}`).join(', ')}.`);
  if (some.length > 0 || refused.length > 0) process.exitCode = 1;
}

async function main(): Promise<void> {
  const cloud = await FleetCloud.start({ state: given.state, hosts, portOffset: Number(given['port-offset']) });
  const northd = cloud.parts.find(({ name }) => name === 'ovn-northd');
  try {
    if (given.realise === 'off' && northd) process.kill(northd.pid, 'SIGSTOP');
    const setting = await prepare(cloud);
    say(`# Boots on simulated hosts, ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`);
    say(`Machine: ${cpus().length} × ${cpus()[0]!.model}, load ${loadavg().map((load) => load.toFixed(1)).join(' ')} before; revision ${execFileSync('git', ['rev-parse', '--short', 'HEAD']).toString().trim()}.`);
    say(`Command: \`node dist/bench/fleet-boots.js ${process.argv.slice(2).join(' ')}\`. Each server has one network port that the network service allocates and writes to OVN's northbound database; ovn-northd ${given.realise === 'off' ? 'is held, so nothing is realised below that' : 'realises it'}. MariaDB syncs each commit (innodb-flush-log-at-trx-commit=1), messages are persistent and confirmed, the hosts' journal is synced.`);
    say('');
    const idle = await measured(cloud, () => pause(10_000));
    say(`At rest ${hosts} hosts cost ${(total(idle) / idle.seconds / 10).toFixed(1)} % of one CPU (${idle.cpu.slice(0, 4).map(([name, ms]) => `${name} ${(ms / idle.seconds / 10).toFixed(1)}`).join(', ')}); that is in the figures below.`);
    say('');
    if (singles > 0) await singleBoots(cloud, setting);
    if (boots > 0) await manyDeletes(cloud, await manyBoots(cloud, setting));
  } finally {
    if (given.realise === 'off' && northd) process.kill(northd.pid, 'SIGCONT');
    await cloud.close();
    if (!given.keep) await destroyFleetCloud(given.state);
  }
  if (given.report) writeFileSync(given.report, `${lines.join('\n')}\n`);
}

void main().catch((error: unknown) => { console.error(error); process.exitCode = 1; });
