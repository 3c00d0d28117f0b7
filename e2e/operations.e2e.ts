import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cloud, until } from './cloud';

/** What an operator sees of operations: traces, logs, metrics, health; and what becomes of a boot on a host whose disk is full. */
const cloud = new Cloud(process.env.VIRGA_E2E_STATE ?? '/var/tmp/virga-e2e');
const dir = mkdtempSync(join(tmpdir(), 'virga-e2e-ops-'));
const agentDir = `${cloud.state}/hosts/host2/agent`;
const onHost2 = (script: string) => execFileSync('nsenter', [`--mount=${cloud.state}/hosts/host2/ns/mnt`, '--', '/bin/bash', '-ec', script], { encoding: 'utf8' });
const ask = (part: string, path: string) => new Promise<{ status: number; text: string }>((resolve, reject) => {
  request({ socketPath: `${cloud.state}/run/${part}.sock`, path, agent: false }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => resolve({ status: response.statusCode!, text }));
  }).on('error', reject).end();
});
interface Event { event: string; host: string; result: string; start_time: string; finish_time: string; details: string | null }
const requestOf = async (server: string) => (await cloud.json<{ 'Request ID': string }[]>('server', 'event', 'list', server)).at(-1)!['Request ID'];
const eventsOf = async (server: string) =>
  (await cloud.json<{ events: Event[] }>('--os-compute-api-version', '2.90', 'server', 'event', 'show', server, await requestOf(server))).events;
const partsOf = async () => (JSON.parse((await cloud.virga('status', '--json')).stdout) as { parts: { name: string; pid: number }[] }).parts;
const SERVICES = ['identity', 'scheduler', 'network', 'image', 'conductor', 'compute-api'];
const OTHERS = ['console-proxy', 'host1-agent', 'host2-agent'];
let full = false;

beforeAll(async () => {
  writeFileSync(join(dir, 'disk'), Buffer.alloc(1 << 20, 'operations'));
  await cloud.openstack('image', 'create', '--disk-format', 'raw', '--container-format', 'bare', '--file', join(dir, 'disk'), '--property', 'os_shutdown_timeout=1', 'ops-empty');
  await cloud.openstack('network', 'create', 'ops-net');
  await cloud.openstack('subnet', 'create', '--network', 'ops-net', '--subnet-range', '10.67.0.0/24', 'ops-subnet');
});
afterAll(async () => {
  if (full) onHost2(`umount -l ${agentDir}`);
  for (const server of ['ops-good', 'ops-full']) await cloud.client('server', 'delete', '--wait', server);
  await cloud.client('network', 'delete', 'ops-net');
  await cloud.client('image', 'delete', 'ops-empty');
  rmSync(dir, { recursive: true });
});
const create = (name: string, ...more: string[]) =>
  cloud.client('server', 'create', '--image', 'ops-empty', '--flavor', 'm1.tiny', '--network', 'ops-net', ...more, '--wait', name);

it('shows each step of a boot, with times and host', async () => {
  expect((await create('ops-good', '--availability-zone', 'nova:host1')).code).toBe(0);
  const events = await eventsOf('ops-good');
  expect(events.map(({ event, host, result }) => `${event} ${host} ${result}`).reverse()).toEqual([
    'compute_allocate_ports  Success', 'compute_claim_host host1 Success', 'compute_bind_ports host1 Success', 'compute_build_on_host host1 Success',
  ]);
  for (const { start_time: start, finish_time: finish } of events) expect(start < finish).toBe(true);
});

it('finds a request in all services by its id, with operation and instance', async () => {
  const requestId = await requestOf('ops-good');
  const instanceId = (await cloud.openstack('server', 'show', 'ops-good', '-f', 'value', '-c', 'id')).trim();
  const lines = ['compute-api', 'conductor', 'scheduler', 'network', 'image', 'host1-agent'].flatMap((part) =>
    readFileSync(`${cloud.state}/log/${part}.log`, 'utf8').split('\n').filter((line) => line.includes(`"requestId":"${requestId}"`)).map((line) => JSON.parse(line) as Record<string, any>));
  expect([...new Set(lines.map(({ app }) => app as string))].sort()).toEqual(['compute-agent', 'compute-api', 'conductor', 'image', 'network', 'scheduler']);
  const [accepted] = lines.find(({ app, path }) => app === 'compute-api' && path === '/v2.1/servers')!.accepted as { kind: string; operationId: string; instanceId: string }[];
  expect(accepted).toEqual({ kind: 'build-instance', operationId: expect.any(String), instanceId });
  // What the API asked before it accepted belongs to no operation yet.
  const later = lines.filter(({ app, sender }) => app !== 'compute-api' && sender !== 'compute-api');
  expect(later.filter((line) => line.instanceId !== instanceId || line.operationId !== accepted!.operationId)).toEqual([]);
});

it('ends a boot on a host whose disk is full with its reason, and leaves nothing there', async () => {
  const used = Number(onHost2(`du -sm ${agentDir}`).split('\t')[0]);
  onHost2(`cp -a ${agentDir} ${agentDir}.keep; mount -t tmpfs -o size=${used + 4}m tmpfs ${agentDir}; cp -a ${agentDir}.keep/. ${agentDir}/; rm -rf ${agentDir}.keep`);
  full = true;
  expect((await cloud.virga('restart', 'host2-agent')).code).toBe(0);
  onHost2(`head -c 1G /dev/zero >${agentDir}/base/filler 2>/dev/null || true`);
  await create('ops-full', '--availability-zone', 'nova:host2');
  const { id, status, fault } = await cloud.json<{ id: string; status: string; fault: { message: string; details?: string } }>('server', 'show', 'ops-full');
  expect({ status, message: fault.message }).toEqual({ status: 'ERROR', message: expect.stringContaining('No space is left on the disk of the host.') });
  const tried = (await eventsOf('ops-full')).reverse().map(({ event, host, result, details }) => [event, host, result, details]);
  expect(tried).toContainEqual(['compute_build_on_host', 'host2', 'Error', 'No space is left on the disk of the host.']);
  expect(tried).toContainEqual(['compute_undo_build_on_host', 'host2', 'Success', null]);
  await cloud.openstack('server', 'delete', '--wait', 'ops-full');
  expect(onHost2(`ls ${agentDir}/instances`)).not.toContain(id);
  const { code, stdout } = await cloud.virga('verify');
  expect({ code, stdout }).toMatchObject({ code: 0 });
  onHost2(`umount -l ${agentDir}`);
  full = false;
  expect((await cloud.virga('restart', 'host2-agent')).code).toBe(0);
});

it('has figures of every process', async () => {
  for (const part of [...SERVICES, ...OTHERS]) expect((await ask(part, '/metrics')).text).toContain('virga_bus_connected 1');
  const { text } = await ask('conductor', '/metrics');
  expect(text).toMatch(/^virga_operations_ended_total\{kind="build-instance",end="done"\} \d+$/m);
  expect(text).toMatch(/^virga_operation_step_seconds_count\{kind="build-instance",step="build_on_host",phase="do",result="Success"\} \d+$/m);
  for (const name of ['virga_sweeper_found_total', 'virga_outbox_oldest_seconds', 'virga_commands_oldest_seconds', 'virga_operations_overdue_seconds', 'virga_dead_letters']) {
    expect(text).toMatch(new RegExp(`^${name} \\d`, 'm'));
  }
  expect((await ask('host1-agent', '/metrics')).text).toMatch(/^virga_agent_commands_total\{verb="build",result="done"\} \d+$/m);
});

const readiness = async (part: string) => {
  const { status, text } = await ask(part, '/readyz');
  return { status, checks: (JSON.parse(text) as { checks: Record<string, boolean> }).checks };
};

it('lives without its database, and is not ready', async () => {
  const { pid } = (await partsOf()).find(({ name }) => name === 'mariadb')!;
  process.kill(pid, 'SIGSTOP');
  try {
    for (const part of SERVICES) {
      expect(await readiness(part)).toEqual({ status: 503, checks: expect.objectContaining({ database: false }) });
      expect((await ask(part, '/healthz')).status).toBe(200);
    }
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  for (const part of SERVICES) await until(`${part} to be ready`, async () => (await readiness(part)).status === 200, 60_000, 200);
});

it('lives without its broker, and is not ready; what was asked meanwhile is done afterwards', async () => {
  const { pid } = (await partsOf()).find(({ name }) => name === 'rabbitmq')!;
  const supervisor = Number(readFileSync(`${cloud.state}/parts/rabbitmq/supervisor`, 'utf8').split(' ')[0]);
  process.kill(supervisor, 'SIGSTOP');
  try {
    process.kill(pid, 'SIGKILL');
    for (const part of [...SERVICES, ...OTHERS]) {
      await until(`${part} to notice`, async () => (await readiness(part)).checks.broker === false, 30_000, 100);
      expect({ ...(await readiness(part)), live: (await ask(part, '/healthz')).status }).toMatchObject({ status: 503, live: 200 });
    }
    expect((await cloud.client('server', 'stop', 'ops-good')).code).toBe(0);
  } finally {
    process.kill(supervisor, 'SIGCONT');
  }
  for (const part of [...SERVICES, ...OTHERS]) await until(`${part} to be ready`, async () => (await readiness(part)).status === 200, 120_000, 500);
  await cloud.untilStatus('ops-good', 'SHUTOFF');
});
