import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cloud, until } from './cloud';

/**
 * Every service and agent is started anew while clients go on: with kept connections, as libraries do, and without a second
 * try. Guests here have an empty disk: what is tested is the control plane.
 */
const cloud = new Cloud(process.env.VIRGA_E2E_STATE ?? '/var/tmp/virga-e2e');
const agent = new Agent({ keepAlive: true });
const failures: string[] = [];
let calls = 0;
let token: string;
const urls: Record<string, string> = {};
let networkId: string;
let imageId: string;
let flavorId: string;
let stopped = false;
afterAll(async () => {
  agent.destroy();
  await cloud.client('image', 'delete', 'restart-empty', 'restart-slow');
  await cloud.client('network', 'delete', 'restart-net');
});

/** One request, tried once. What is not answered, or with an error, is a failure. */
async function call(service: string, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<any> {
  calls++;
  try {
    return await new Promise<any>((resolve, reject) => {
      const raw = body instanceof Uint8Array || body === undefined ? body : JSON.stringify(body);
      const sent = request(urls[service] + path, {
        agent, method, headers: { 'x-auth-token': token, ...(raw !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(raw as string) }), ...headers },
      }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject).on('end', () => {
          const text = Buffer.concat(chunks).toString('latin1');
          if (response.statusCode! >= 400 && response.statusCode !== 404) return reject(new Error(`${response.statusCode} ${text.slice(0, 200)}`));
          resolve({ status: response.statusCode, body: text.startsWith('{') ? JSON.parse(text) : text });
        });
      });
      sent.on('error', reject).end(raw);
    });
  } catch (error) {
    failures.push(`${method} ${service} ${path}: ${(error as Error).message}`);
    return { status: 0, body: {} };
  }
}

/** Sends an image slowly, until `ended`. */
async function uploadUntil(id: string, ended: () => boolean): Promise<number> {
  const sent = request(`${urls.image}/v2/images/${id}/file`, { agent: false, method: 'PUT', headers: { 'x-auth-token': token, 'content-type': 'application/octet-stream' } });
  const answer = new Promise<number>((resolve, reject) => sent.on('error', reject).on('response', (response) => { response.resume(); resolve(response.statusCode!); }));
  while (!ended()) { sent.write(Buffer.alloc(65_536)); await sleep(100); }
  sent.end();
  return answer;
}

beforeAll(async () => {
  token = (await cloud.openstack('token', 'issue', '-f', 'value', '-c', 'id')).trim();
  for (const { 'Service Type': type, URL: url } of await cloud.json<{ 'Service Type': string; URL: string }[]>('endpoint', 'list', '--interface', 'public')) urls[type] = url.replace(/\/$/, '');
  networkId = (await call('network', 'POST', '/v2.0/networks', { network: { name: 'restart-net' } })).body.network.id;
  await call('network', 'POST', '/v2.0/subnets', { subnet: { network_id: networkId, ip_version: 4, cidr: '10.66.0.0/24' } });
  imageId = (await call('image', 'POST', '/v2/images', { name: 'restart-empty', disk_format: 'raw', container_format: 'bare', min_disk: 1, os_shutdown_timeout: '1' })).body.id;
  await call('image', 'PUT', `/v2/images/${imageId}/file`, new Uint8Array(1 << 20), { 'content-type': 'application/octet-stream' });
  flavorId = (await call('compute', 'GET', '/flavors')).body.flavors.find(({ name }: { name: string }) => name === 'm1.tiny').id;
  expect(failures).toEqual([]);
});

async function boot(host: string): Promise<string> {
  const { body } = await call('compute', 'POST', '/servers', { server: { name: `restart-${host}`, imageRef: imageId, flavorRef: flavorId, networks: [{ uuid: networkId }], availability_zone: `nova:${host}` } });
  const id = body.server?.id as string;
  await until('the server to be built', async () => {
    const { status } = (await call('compute', 'GET', `/servers/${id}`)).body.server ?? {};
    if (status === 'ERROR') failures.push(`server ${id} ended in ERROR`);
    return status === 'ACTIVE' || status === 'ERROR';
  }, 60_000, 200);
  return id;
}

async function remove(id: string): Promise<void> {
  await call('compute', 'DELETE', `/servers/${id}`);
  await until('the server to be gone', async () => (await call('compute', 'GET', `/servers/${id}`)).status === 404, 60_000, 200);
}

/** What clients do all day, each round one call of a kind. */
const ROUND: ((standing: string) => Promise<unknown>)[] = [
  () => call('compute', 'GET', '/servers/detail'),
  () => call('compute', 'GET', '/flavors/detail'),
  () => call('identity', 'GET', '/v3/auth/tokens', undefined, { 'x-subject-token': token }),
  () => call('identity', 'POST', '/v3/auth/tokens', { auth: { identity: { methods: ['token'], token: { id: token } } } }),
  () => call('network', 'GET', '/v2.0/ports'),
  async () => {
    const { port } = (await call('network', 'POST', '/v2.0/ports', { port: { network_id: networkId } })).body;
    if (port) await call('network', 'DELETE', `/v2.0/ports/${port.id}`);
  },
  () => call('image', 'GET', '/v2/images'),
  () => call('image', 'GET', `/v2/images/${imageId}/file`),
  (standing) => call('compute', 'POST', `/servers/${standing}/action`, { 'os-getConsoleOutput': {} }),
];

it('fails no call and no operation while everything is started anew', async () => {
  const pids = async () => new Map((JSON.parse((await cloud.virga('status', '--json')).stdout) as { parts: { name: string; pid: number; restarts: number }[] }).parts.map(({ name, pid }) => [name, pid]));
  const before = await pids();
  const standing = await boot('host1');
  let boots = 0;
  const users = [
    ...['host1', 'host2'].map(async (host) => { while (!stopped) { await remove(await boot(host)); boots++; } }),
    ...[0, 1].map(async (user) => { for (let at = user; !stopped; at++) { await ROUND[at % ROUND.length]!(standing); await sleep(30); } }),
  ];
  const { body: { id: slow } } = await call('image', 'POST', '/v2/images', { name: 'restart-slow', disk_format: 'raw', container_format: 'bare' });
  let restarted = false;
  const began = Date.now();
  // An upload that is under way when the old process is told to leave is finished by it.
  const uploading = uploadUntil(slow, () => restarted || Date.now() - began > 8000);
  const image = await cloud.virga('restart', 'image');
  restarted = true;
  const { code, stdout, stderr } = await cloud.virga('restart');
  stopped = true;
  await Promise.all(users);
  await remove(standing);
  expect({ image: image.code, code, stderr }).toEqual({ image: 0, code: 0, stderr: '' });
  expect(await uploading).toBe(204);
  const after = await pids();
  const anew = [...after].filter(([name, pid]) => before.get(name) !== pid).map(([name]) => name).sort();
  expect(anew).toEqual(['compute-api', 'conductor', 'console-proxy', 'enrolment', 'host1-agent', 'host2-agent', 'identity', 'image', 'network', 'scheduler']);
  expect(stdout).toContain('the old one left');
  expect({ failures, manyCalls: calls > 200, boots: boots > 3 }).toEqual({ failures: [], manyCalls: true, boots: true });
  const { code: verified, stdout: report } = await cloud.virga('verify');
  expect({ verified, report }).toMatchObject({ verified: 0 });
  process.stderr.write(`${calls} calls and ${boots} boots while everything was started anew\n`);
});
