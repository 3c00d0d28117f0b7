/**
 * How much Virga adds to the raw cost of a boot: POST /servers until ACTIVE, against libvirt's create of the same
 * domain on the same host in the same run, in turn. Needs a running cloud: `node dist/bench/boot.js STATE_DIR [rounds]`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LibvirtConnection } from '@virga/libvirt';
import { Cloud } from '../e2e/cloud';
import { median } from './lib/figures';

const [stateDir = '/var/lib/virga', roundsText = '10'] = process.argv.slice(2);
const cloud = new Cloud(stateDir);

async function login(): Promise<{ token: string; endpoint(type: string): string }> {
  const config = readFileSync(join(stateDir, 'clouds.yaml'), 'utf8');
  const value = (key: string) => new RegExp(`${key}: *["']?([^"'\\s]+)`).exec(config)![1]!;
  const answer = await fetch(`${value('auth_url').replace(/\/v3\/?$/, '')}/v3/auth/tokens`, {
    method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth: { identity: { methods: ['password'], password: { user: { name: 'admin', domain: { id: 'default' }, password: value('password') } } }, scope: { project: { name: 'admin', domain: { id: 'default' } } } } }),
  });
  const { token } = (await answer.json()) as { token: { catalog: { type: string; endpoints: { interface: string; url: string }[] }[] } };
  return {
    token: answer.headers.get('x-subject-token')!,
    endpoint: (type) => token.catalog.find((service) => service.type === type)!.endpoints.find((endpoint) => endpoint.interface === 'public')!.url,
  };
}

async function main(): Promise<void> {
  const rounds = Number(roundsText);
  const { token, endpoint } = await login();
  const compute = endpoint('compute');
  const send = async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(`${compute}${path}`, { method, headers: { 'x-auth-token': token, 'openstack-api-version': 'compute 2.90', 'content-type': 'application/json' }, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await answer.text();
    if (answer.status >= 400 && answer.status !== 404) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return { status: answer.status, body: text ? (JSON.parse(text) as any) : undefined };
  };
  const untilStatus = async (id: string, wanted: string) => {
    for (;;) {
      const { status, body } = await send('GET', `/servers/${id}`);
      if (status === 404 ? wanted === 'GONE' : body.server.status === wanted) return;
      if (body?.server?.status === 'ERROR') throw new Error(`server in ERROR: ${JSON.stringify(body.server.fault)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await cloud.client('network', 'create', 'bench-net');
  await cloud.client('subnet', 'create', '--network', 'bench-net', '--subnet-range', '10.77.0.0/24', 'bench-sub');
  const { id: networkId } = await cloud.json<{ id: string }>('network', 'show', 'bench-net');
  const { id: imageId } = await cloud.json<{ id: string }>('image', 'show', 'tiny');
  const { id: flavorId } = await cloud.json<{ id: string }>('flavor', 'show', 'm1.tiny');
  const { parts } = JSON.parse((await cloud.virga('status', '--json')).stdout) as { parts: { name: string; pid: number }[] };
  const libvirtdPid = parts.find(({ name }) => name.endsWith('-libvirtd'))!.pid;
  const libvirt = await LibvirtConnection.open({ uri: 'qemu:///system', socketPath: `/proc/${libvirtdPid}/root/run/libvirt/libvirt-sock` });

  const virga: number[] = [];
  const raw: number[] = [];
  // The first boot fetches the image and does not count: the figure is for a cached image.
  for (let round = -1; round < rounds; round++) {
    const began = performance.now();
    const { body } = await send('POST', '/servers', { server: { name: `bench-${round}`, imageRef: imageId, flavorRef: flavorId, networks: [{ uuid: networkId }] } });
    const { id } = body.server as { id: string };
    await untilStatus(id, 'ACTIVE');
    const booted = performance.now() - began;
    const { dom } = await libvirt.call('domainLookupByUuid', { uuid: id });
    await libvirt.call('domainDestroyFlags', { dom, flags: 0 });
    const rawBegan = performance.now();
    await libvirt.call('domainCreateWithFlags', { dom, flags: 0 });
    const created = performance.now() - rawBegan;
    if (round >= 0) { virga.push(booted); raw.push(created); }
    await send('DELETE', `/servers/${id}`);
    await untilStatus(id, 'GONE');
  }
  await libvirt.close();
  await cloud.client('network', 'delete', 'bench-net');
  const ratios = virga.map((ms, index) => (ms - 500) / raw[index]!);
  console.log(`boot, cached image, ${rounds} rounds, in turn\n`);
  console.log(`POST /servers to ACTIVE   median ${median(virga).toFixed(0)} ms   min ${Math.min(...virga).toFixed(0)}   max ${Math.max(...virga).toFixed(0)}`);
  console.log(`libvirt create            median ${median(raw).toFixed(0)} ms   min ${Math.min(...raw).toFixed(0)}   max ${Math.max(...raw).toFixed(0)}`);
  console.log(`(boot - 0.5 s) / create   median ${median(ratios).toFixed(2)}   goal at most 1.50`);
}

void main().catch((error: unknown) => { console.error(error); process.exitCode = 1; });
