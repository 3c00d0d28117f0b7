/**
 * What requests cost: CPU of the service and of the database, broker and OVN as far as it uses them, for each request,
 * requests per CPU second, and p99 at 1, 8 and 32 at a time. Fills projects of its own with copies of server rows and with
 * ports. For a cloud that nobody else uses: `eval "$(./virga openrc)"; node dist/bench/api.js STATE_DIR [--quick]`; it leaves
 * its projects behind.
 *
 * Beside each figure stands that of OpenStack Zed (Debian 12, two workers a service), measured separately on a machine of
 * this kind, CPU of all its processes in the same way.
 */
import { execFileSync } from 'node:child_process';
import { Agent, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { Cloud } from '../e2e/cloud';
import { cpuByPart } from './lib/cpu';
import { percentile } from './lib/figures';

/** Whose CPU a call of a service costs: its own, the database's, and that of whom it asks or wakes. */
const COUNTED = {
  identity: ['identity', 'mariadb'],
  compute: ['compute-api', 'network', 'rabbitmq', 'mariadb'],
  network: ['network', 'mariadb', 'rabbitmq', 'ovn-nb', 'ovn-northd', 'ovn-sb'],
  image: ['image', 'mariadb'],
} as const;

interface Login { token: string; projectId: string; urls: Record<string, string> }
interface Call { method: string; url: string; token: string; body?: unknown; ok: number; headers?: Record<string, string> }
/** One row of the table: what is called, and what it costs the reference, CPU ms; `goal` is the factor to reach. */
interface Case { name: string; service: keyof typeof COUNTED; referenceMs: number; goal: number; requests: number; next(): Call }

const [stateDir = '/var/lib/virga', ...flags] = process.argv.slice(2);
const quick = flags.includes('--quick');
const cloud = new Cloud(stateDir);
const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const SERVER_COUNTS = [100, 1000, 10_000];
const PORT_COUNTS = [100, 1000];

function send({ method, url, token, body, headers }: Call): Promise<{ status: number; text: string; headers: Record<string, unknown> }> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const sent = httpRequest(url, { method, agent, headers: { 'x-auth-token': token, 'openstack-api-version': 'compute 2.93', ...headers, ...(payload && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }) } }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => resolve({ status: answer.statusCode!, text: Buffer.concat(chunks).toString(), headers: answer.headers })).on('error', reject);
    });
    sent.on('error', reject).end(payload);
  });
}

async function must<T>(call: Call): Promise<T> {
  const { status, text } = await send(call);
  if (status !== call.ok) throw new Error(`${call.method} ${call.url}: ${status} ${text.slice(0, 300)}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

const { OS_AUTH_URL: authUrl = '', OS_PASSWORD: password = '' } = process.env;
const passwordBody = (project: string) => ({ auth: { identity: { methods: ['password'], password: { user: { name: 'admin', domain: { id: 'default' }, password } } }, scope: { project: { name: project, domain: { id: 'default' } } } } });

async function login(project: string): Promise<Login> {
  const answer = await send({ method: 'POST', url: `${authUrl}/auth/tokens`, token: '', body: passwordBody(project), ok: 201 });
  const { token } = JSON.parse(answer.text) as { token: { project: { id: string }; catalog: { type: string; endpoints: { interface: string; url: string }[] }[] } };
  const urls = Object.fromEntries(token.catalog.map(({ type, endpoints }) => [type, endpoints.find((one) => one.interface === 'public')!.url]));
  return { token: answer.headers['x-subject-token'] as string, projectId: token.project.id, urls: { ...urls, network: `${urls.network}/v2.0`, image: `${urls.image}/v2` } };
}

/** A project of its own, with the administrator in it and without network quotas. */
async function makeProject(admin: Login, name: string): Promise<Login> {
  const { project } = await must<{ project: { id: string } }>({ method: 'POST', url: `${authUrl}/projects`, token: admin.token, body: { project: { name, domain_id: 'default' } }, ok: 201 });
  const { users: [user] } = await must<{ users: { id: string }[] }>({ method: 'GET', url: `${authUrl}/users?name=admin`, token: admin.token, ok: 200 });
  const { roles: [role] } = await must<{ roles: { id: string }[] }>({ method: 'GET', url: `${authUrl}/roles?name=admin`, token: admin.token, ok: 200 });
  await must({ method: 'PUT', url: `${authUrl}/projects/${project.id}/users/${user!.id}/roles/${role!.id}`, token: admin.token, ok: 204 });
  await must({ method: 'PUT', url: `${admin.urls.network}/quotas/${project.id}`, token: admin.token, body: { quota: { port: -1 } }, ok: 200 });
  return login(name);
}

const sql = (text: string): string => execFileSync('mariadb', ['--socket', join(stateDir, 'mariadb/mysqld.sock'), '-D', 'compute', '-N', '-B', '-e', text], { encoding: 'utf8' }).trim();

/** An image that is active; what is in it does not matter, as nothing boots. */
async function someImage({ urls, token }: Login): Promise<{ id: string }> {
  const { images: [known] } = await must<{ images: { id: string }[] }>({ method: 'GET', url: `${urls.image}/images?status=active&limit=1`, token, ok: 200 });
  if (known) return known;
  const image = await must<{ id: string }>({ method: 'POST', url: `${urls.image}/images`, token, body: { name: 'bench', disk_format: 'raw', container_format: 'bare', visibility: 'public' }, ok: 201 });
  const uploaded = await fetch(`${urls.image}/images/${image.id}/file`, { method: 'PUT', headers: { 'x-auth-token': token, 'content-type': 'application/octet-stream' }, body: Buffer.alloc(65_536) });
  if (uploaded.status !== 204) throw new Error(`upload: ${uploaded.status}`);
  return image;
}

/** One server that is asked for, and copies of its row: what a list reads is there, without hosts that run them. */
async function fillServers(project: Login, count: number): Promise<string> {
  const image = await someImage(project);
  const { flavors: [flavor] } = await must<{ flavors: { id: string }[] }>({ method: 'GET', url: `${project.urls.compute}/flavors`, token: project.token, ok: 200 });
  const { server } = await must<{ server: { id: string } }>({ method: 'POST', url: `${project.urls.compute}/servers`, token: project.token, body: { server: { name: 'bench', imageRef: image.id, flavorRef: flavor!.id, networks: 'none' } }, ok: 202 });
  const columns = sql("select column_name from information_schema.columns where table_schema = 'compute' and table_name = 'instances' and extra not like '%GENERATED%' and extra <> 'auto_increment' order by ordinal_position").split('\n');
  const own: Record<string, string> = { id: 'uuid()', display_name: "concat('bench-', s.seq)", vm_state: "'stopped'", task_state: 'null' };
  const values = columns.map((column) => own[column] ?? `i.\`${column}\``).join(', ');
  sql(`insert into compute.instances (${columns.map((column) => `\`${column}\``).join(', ')}) select ${values} from compute.instances i join seq_1_to_${count - 1} s where i.id = '${server.id}'`);
  return server.id;
}

async function fillPorts(project: Login, count: number): Promise<string> {
  const { network } = await must<{ network: { id: string } }>({ method: 'POST', url: `${project.urls.network}/networks`, token: project.token, body: { network: { name: 'bench' } }, ok: 201 });
  await must({ method: 'POST', url: `${project.urls.network}/subnets`, token: project.token, body: { subnet: { network_id: network.id, ip_version: 4, cidr: '10.64.0.0/16' } }, ok: 201 });
  for (let made = 0; made < count; made += 100) {
    await must({ method: 'POST', url: `${project.urls.network}/ports`, token: project.token, body: { ports: Array.from({ length: Math.min(100, count - made) }, (_, index) => ({ network_id: network.id, name: `p${made + index}` })) }, ok: 201 });
  }
  return network.id;
}

const get = (login: Login, url: string): (() => Call) => () => ({ method: 'GET', url, token: login.token, ok: 200 });

async function prepare(): Promise<Case[]> {
  const admin = await login('admin');
  const mark = Date.now().toString(36);
  const empty = await makeProject(admin, `bench-0-${mark}`);
  const cases: Case[] = [
    { name: 'POST /v3/auth/tokens, password', service: 'identity', referenceMs: 230, goal: 2, requests: 40, next: () => ({ method: 'POST', url: `${authUrl}/auth/tokens`, token: '', body: passwordBody('admin'), ok: 201 }) },
    { name: 'POST /v3/auth/tokens, token', service: 'identity', referenceMs: 10, goal: 10, requests: 400, next: () => ({ method: 'POST', url: `${authUrl}/auth/tokens`, token: '', body: { auth: { identity: { methods: ['token'], token: { id: admin.token } }, scope: { project: { id: admin.projectId } } } }, ok: 201 }) },
    { name: 'GET /v3/auth/tokens', service: 'identity', referenceMs: 13, goal: 20, requests: 600, next: () => ({ method: 'GET', url: `${authUrl}/auth/tokens`, token: admin.token, headers: { 'x-subject-token': admin.token }, ok: 200 }) },
    { name: 'GET servers/detail, 0 servers', service: 'compute', referenceMs: 23, goal: 20, requests: 600, next: get(empty, `${empty.urls.compute}/servers/detail`) },
  ];
  for (const count of SERVER_COUNTS) {
    const project = await makeProject(admin, `bench-${count}-${mark}`);
    const serverId = await fillServers(project, count);
    cases.push({ name: `GET servers/detail, 100 of ${count}`, service: 'compute', referenceMs: 305, goal: 20, requests: 100, next: get(project, `${project.urls.compute}/servers/detail?limit=100`) });
    if (count === 1000) cases.push({ name: 'GET servers/detail, 1000 in one page', service: 'compute', referenceMs: 2600, goal: 20, requests: 20, next: get(project, `${project.urls.compute}/servers/detail`) });
    if (count === 100) cases.push({ name: 'GET servers/{id}', service: 'compute', referenceMs: 53, goal: 20, requests: 600, next: get(project, `${project.urls.compute}/servers/${serverId}`) });
  }
  cases.push(
    { name: 'GET flavors/detail', service: 'compute', referenceMs: 16, goal: 20, requests: 600, next: get(admin, `${admin.urls.compute}/flavors/detail`) },
    { name: 'GET networks', service: 'network', referenceMs: 79, goal: 20, requests: 600, next: get(empty, `${empty.urls.network}/networks`) },
  );
  for (const count of PORT_COUNTS) {
    const project = await makeProject(admin, `bench-p${count}-${mark}`);
    const networkId = await fillPorts(project, count);
    cases.push({ name: `GET ports, ${count}`, service: 'network', referenceMs: count === 100 ? 248 : 1920, goal: 20, requests: count === 100 ? 150 : 20, next: get(project, `${project.urls.network}/ports?network_id=${networkId}&device_owner=`) });
    if (count !== 100) continue;
    cases.push({
      name: 'POST and DELETE ports', service: 'network', referenceMs: 530, goal: 10, requests: 200,
      next: () => ({ method: 'POST', url: `${project.urls.network}/ports`, token: project.token, body: { port: { network_id: networkId } }, ok: 201 }),
    });
  }
  cases.push({ name: 'GET images', service: 'image', referenceMs: 10, goal: 20, requests: 600, next: get(admin, `${admin.urls.image}/images`) });
  return cases;
}

/** Calls that go together as one: a port that is made is deleted again. */
async function once({ next }: Case): Promise<void> {
  const call = next();
  const answer = await must<{ port?: { id: string } }>(call);
  if (call.method === 'POST' && answer.port) await must({ method: 'DELETE', url: `${call.url}/${answer.port.id}`, token: call.token, ok: 204 });
}

async function run(one: Case, requests: number, concurrency: number): Promise<number[]> {
  const latencies: number[] = [];
  let begun = 0;
  await Promise.all(Array.from({ length: concurrency }, async () => {
    while (begun < requests) {
      begun++;
      const started = performance.now();
      await once(one);
      latencies.push(performance.now() - started);
    }
  }));
  return latencies;
}

async function main(): Promise<void> {
  const { parts } = JSON.parse((await cloud.virga('status', '--json')).stdout) as { parts: { name: string; pid: number | null }[] };
  const running = parts.flatMap(({ name, pid }) => (pid ? [{ name, pid }] : []));
  const total = (service: keyof typeof COUNTED): number =>
    [...cpuByPart(running.filter(({ name }) => (COUNTED[service] as readonly string[]).includes(name))).values()].reduce((sum, ms) => sum + ms, 0);
  const cases = await prepare();
  console.log('| call | CPU ms | requests per CPU second | p99 ms at 1 / 8 / 32 | OpenStack Zed, CPU ms | ratio | goal |\n|---|---|---|---|---|---|---|');
  for (const one of cases) {
    const requests = quick ? Math.max(10, one.requests >> 3) : one.requests;
    await run(one, Math.max(5, requests >> 2), 4);
    const before = total(one.service);
    const tails: string[] = [];
    for (const concurrency of [1, 8, 32]) tails.push(percentile(await run(one, requests, concurrency), 0.99).toFixed(1));
    const cpu = (total(one.service) - before) / (3 * requests);
    console.log(`| ${one.name} | ${cpu.toFixed(2)} | ${(1000 / cpu).toFixed(0)} | ${tails.join(' / ')} | ${one.referenceMs} | ${(one.referenceMs / cpu).toFixed(1)} | ${one.goal} |`);
  }
  agent.destroy();
}

void main().catch((error: unknown) => { console.error((error as Error).message.slice(0, 2000)); process.exitCode = 1; });
