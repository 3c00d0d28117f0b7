/**
 * What a console costs on its way: guest, host's agent, proxy, browser; beside it a direct socket and Debian's websockify, in the
 * same run. Throughput for each CPU second, latency that is added with many sessions, memory of idle sessions and of one whose
 * browser stalls. Needs no cloud: `node dist/bench/console.js [--quick] [--throughput]`; websockify must be installed.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { Authority } from '../libs/mutual-tls/src';
import { playRole, type Ready } from './lib/console-roles';
import { cpuByPart } from './lib/cpu';
import { percentile } from './lib/figures';

const quick = process.argv.includes('--quick');
const BYTES = (quick ? 200 : 1000) << 20;
const ACTIVE = 100;
const IDLE = 200;
const KEY_EVERY_MS = 100;
const LATENCY_MS = quick ? 8000 : 30_000;
/** Ways on which keys are measured, too. */
const KEYED = new Set(['direct socket', 'websockify', 'console-proxy']);
const STALL_MS = quick ? 5000 : 10_000;
const MIB = 1 << 20;

/** A way to the guest: how a connection is opened, and which processes carry it. */
interface Way { name: string; carriers: { name: string; pid: number }[]; open(flood: boolean): Promise<Line> }
interface Line { write(bytes: Buffer): void; onData(take: (bytes: Buffer) => void): void; pause(): void; close(): void }

const overSocket = async (socket: Socket): Promise<Line> => {
  await once(socket, 'connect');
  return { write: (bytes) => void socket.write(bytes), onData: (take) => void socket.on('data', take), pause: () => void socket.pause(), close: () => socket.destroy() };
};
const overWebSocket = async (url: string): Promise<Line> => {
  const socket = new WebSocket(url, 'binary', { perMessageDeflate: false });
  const waiting: Buffer[] = [];
  socket.on('message', (bytes: Buffer) => waiting.push(bytes));
  await once(socket, 'open');
  return {
    write: (bytes) => socket.send(bytes), close: () => socket.terminate(), pause: () => socket.pause(),
    onData: (take) => { socket.removeAllListeners('message'); for (const bytes of waiting.splice(0)) take(bytes); socket.on('message', take); },
  };
};

const rssOf = (pid: number): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const row = (...cells: (string | number)[]) => console.log(`| ${cells.join(' | ')} |`);

/** MB a second, and MB for each CPU second of those who carry. */
async function throughput(way: Way, connections: number): Promise<{ rate: number; perCpu: number | undefined }> {
  const lines = await Promise.all(Array.from({ length: connections }, () => way.open(true)));
  const before = cpuByPart(way.carriers);
  const began = performance.now();
  await Promise.all(lines.map((line) => new Promise<void>((resolve) => {
    let left = BYTES / connections;
    line.onData((bytes) => { if (left > 0 && (left -= bytes.length) <= 0) { line.close(); resolve(); } });
  })));
  const seconds = (performance.now() - began) / 1000;
  const after = cpuByPart(way.carriers);
  const cpu = way.carriers.reduce((sum, { name }) => sum + after.get(name)! - before.get(name)!, 0) / 1000;
  return { rate: BYTES / MIB / seconds, perCpu: cpu > 0 ? BYTES / MIB / cpu : undefined };
}

/** Round trips of keys that the guest echoes, ms, sent by many sessions evenly. */
async function roundTrips(way: Way, sessions: number): Promise<number[]> {
  const lines = await Promise.all(Array.from({ length: sessions }, () => way.open(false)));
  const trips: number[] = [];
  const timers = lines.map((line, at) => {
    let sent = 0;
    line.onData(() => { if (sent > 0) trips.push(performance.now() - sent); sent = 0; });
    const key = () => { if (sent === 0) { sent = performance.now(); line.write(Buffer.alloc(8, 1)); } };
    let timer: NodeJS.Timeout = setTimeout(() => { timer = setInterval(key, KEY_EVERY_MS); }, (KEY_EVERY_MS * at) / sessions);
    return () => { clearInterval(timer); line.close(); };
  });
  await pause(LATENCY_MS);
  for (const end of timers) end();
  return trips;
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'vbench-'));
  const children: ChildProcess[] = [];
  const start = async (role: string, ...args: string[]): Promise<{ pid: number; ready: Ready }> => {
    const child = fork(__filename, ['--role', role, dir, ...args], { execArgv: ['--max-semi-space-size=2'] });
    children.push(child);
    const [ready] = (await once(child, 'message')) as [Ready];
    return { pid: child.pid!, ready };
  };
  try {
    const authority = await Authority.open(join(dir, 'ca'));
    for (const [name, peer] of [['host', { role: 'host', hostId: 'h1' }], ['proxy', { role: 'console-proxy' }]] as const) await authority.equip(join(dir, name), { peer, addresses: ['127.0.0.1'], names: [] });
    const guest = await start('guest');
    const agent = await start('agent');
    const proxy = await start('proxy', agent.ready.agentUrl!, agent.ready.control!);
    const flooding = 45_000 + (process.pid % 1000);
    const sockets = [[flooding, guest.ready.floodPort!, []], [flooding + 1000, guest.ready.port!, []], [flooding + 2000, guest.ready.tlsPort!, ['--ssl-target']]] as const;
    const websockifies = sockets.map(([from, to, options]) => { const child = spawn('/usr/bin/websockify', [...options, `127.0.0.1:${from}`, `127.0.0.1:${to}`], { stdio: 'ignore' }); children.push(child); return child; });
    for (const [from] of sockets) await until(() => new Promise<boolean>((resolve) => { const probe = connect(from, '127.0.0.1', () => { probe.destroy(); resolve(true); }).on('error', () => resolve(false)); }));

    const ways: Way[] = [
      { name: 'direct socket', carriers: [], open: (flood) => overSocket(createConnection({ host: '127.0.0.1', port: flood ? guest.ready.floodPort! : guest.ready.port! })) },
      { name: 'websockify', carriers: websockifies.map(({ pid }, at) => ({ name: `websockify ${at}`, pid: pid! })), open: (flood) => overWebSocket(`ws://127.0.0.1:${flood ? sockets[0][0] : sockets[1][0]}/`) },
      { name: 'websockify, TLS to the host', carriers: [{ name: 'websockify TLS', pid: websockifies[2]!.pid! }], open: () => overWebSocket(`ws://127.0.0.1:${sockets[2][0]}/`) },
      { name: 'console-proxy', carriers: [{ name: 'proxy', pid: proxy.pid }], open: (flood) => overWebSocket(`ws://127.0.0.1:${proxy.ready.port}/?token=${flood ? 'flooding' : 'echoing1'}`) },
      { name: 'console-proxy and agent', carriers: [{ name: 'proxy', pid: proxy.pid }, { name: 'agent', pid: agent.pid }], open: (flood) => overWebSocket(`ws://127.0.0.1:${proxy.ready.port}/?token=${flood ? 'flooding' : 'echoing1'}`) },
    ];

    console.log(`\n${BYTES / MIB} MiB from guest to browser:\n`);
    row('way', 'connections', 'MiB/s', 'MiB for a CPU second of the way');
    row('---', '---', '---', '---');
    for (const connections of [1, 10]) {
      for (const way of ways) {
        const { rate, perCpu } = await throughput(way, connections);
        row(way.name, connections, rate.toFixed(0), perCpu?.toFixed(0) ?? '');
      }
    }

    if (process.argv.includes('--throughput')) return;

    console.log(`\nKeys that the guest echoes, ${ACTIVE} sessions, each ${1000 / KEY_EVERY_MS} a second, ms there and back:\n`);
    row('way', 'p50', 'p99', 'added p50', 'added p99');
    row('---', '---', '---', '---', '---');
    let direct: number[] = [];
    for (const way of ways.filter(({ name }) => KEYED.has(name))) {
      const trips = await roundTrips(way, ACTIVE);
      if (direct.length === 0) direct = trips;
      const [p50, p99] = [percentile(trips, 0.5), percentile(trips, 0.99)];
      row(way.name, p50.toFixed(2), p99.toFixed(2), (p50 - percentile(direct, 0.5)).toFixed(2), (p99 - percentile(direct, 0.99)).toFixed(2));
    }

    const proxyWay = ways.find(({ name }) => name === 'console-proxy');
    const memory = () => ({ proxy: rssOf(proxy.pid), agent: rssOf(agent.pid) });
    const before = memory();
    const idle = await Promise.all(Array.from({ length: IDLE }, () => proxyWay!.open(false)));
    await pause(2000);
    const open = memory();
    console.log(`\n${IDLE} idle sessions: proxy ${((open.proxy - before.proxy) / IDLE / 1024).toFixed(0)} KiB each (${(open.proxy / MIB).toFixed(0)} MiB in all), agent ${((open.agent - before.agent) / IDLE / 1024).toFixed(0)} KiB each.`);
    const trips = await roundTrips(proxyWay!, ACTIVE);
    console.log(`With ${ACTIVE} more that type: p50 ${percentile(trips, 0.5).toFixed(2)} ms, p99 ${percentile(trips, 0.99).toFixed(2)} ms there and back.`);
    for (const line of idle) line.close();

    const stalled = await proxyWay!.open(true);
    stalled.pause();
    const flat = memory();
    let most = flat;
    for (const end = Date.now() + STALL_MS; Date.now() < end; await pause(100)) { const now = memory(); most = { proxy: Math.max(most.proxy, now.proxy), agent: Math.max(most.agent, now.agent) }; }
    console.log(`A browser that stalls before a guest that floods, ${STALL_MS / 1000} s: proxy +${((most.proxy - flat.proxy) / MIB).toFixed(1)} MiB, agent +${((most.agent - flat.agent) / MIB).toFixed(1)} MiB.`);
    stalled.close();
  } finally {
    for (const child of children) child.kill();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(50);
}

const role = process.argv.indexOf('--role');
void (role > 0 ? playRole(process.argv[role + 1]!, process.argv.slice(role + 2)) : main());
