import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newToken, readToken, writeToken } from '../../enrolment/join-token';
import { keepMember, membersOf } from '../../enrolment/members';
import { TokenStore } from '../../enrolment/token-store';
import { loadSite } from '../../load-site';
import { parseOptions, UsageError } from '../../options';
import { partsOf } from '../../parts/catalog';
import { tokenDirectory } from '../../pki/identities';
import type { SecretStore } from '../../secrets';
import { defaultCidrs, type Settings } from '../../site';
import { inHost } from '../../stages/host-namespace';
import { host } from './index';

const root = join(__dirname, '../../../..');
let state: string;
const launch = () => ({ root, state, startedAt: 0 });
const cloud: Settings = { name: 'vgt', portOffset: 0, hosts: 1, virtType: 'qemu', ...defaultCidrs(0) };
const membership = { host: 'rack2', hostId: '2b6f2c1e-8d55-4f0a-9f6b-111122223333', address: '172.30.255.40', tunnelAddress: '172.30.0.30', tunnelInterface: 'eth1', controller: '172.30.255.1' };
const keep = (settings: Settings) => writeFileSync(join(state, 'site.json'), JSON.stringify(settings));
beforeEach(() => { state = mkdtempSync(join(tmpdir(), 'virga-join-')); });
afterEach(() => rmSync(state, { recursive: true }));

const token = writeToken(newToken('f'.repeat(43)));
const to = ['--controller', 'https://127.0.0.1:9444'];
const by = ['--token', token];
it.each<[string, string[], string]>([
  ['no controller', ['--tunnel-interface', 'lo', ...by], 'say --controller'], ['no interface', [...to, ...by], 'say --tunnel-interface'], ['no token', [...to, '--tunnel-interface', 'lo'], 'say --token'],
  ['what is no token', [...to, '--tunnel-interface', 'lo', '--token', 'virga1.x'], 'that is no token'],
  ['an interface that is not there', [...to, '--tunnel-interface', 'nosuch0', '--host-name', 'm', ...by], 'no network interface nosuch0'],
  ['the interface of the management address', [...to, '--tunnel-interface', 'lo', '--host-name', 'm', ...by], 'carries the management address'],
  ['an address that it has not', [...to, '--tunnel-interface', 'lo', '--host-name', 'm', '--address', '192.0.2.9', ...by], 'has no address 192.0.2.9'],
])('does not join with %s, and changes nothing', async (_what, words, sentence) => {
  const refusal = (async () => host(launch(), parseOptions(['host', 'join', ...words])))();
  await expect(refusal).rejects.toThrow(sentence);
  await expect(refusal).rejects.toBeInstanceOf(UsageError);
  expect(readdirSync(state)).toEqual([]);
});

it.each([['--controller', 'http://172.30.255.1:9444'], ['--controller', 'https://evil.example/'], ['--controller', 'https://1.2.3.4:1/x'], ['--host-name', 'Rack 2'], ['--host-name', '-a'], ['--tunnel-interface', 'eth1;reboot'], ['--address', '::1'], ['--minutes', '0'], ['--minutes', '1441']])('takes %s %s for a mistake', (option, value) => {
  expect(() => parseOptions(['host', 'join', option, value])).toThrow(UsageError);
});

it('does not join where a cloud is, or twice', async () => {
  keep(cloud);
  await expect(host(launch(), parseOptions(['host', 'join', ...to, ...by]))).rejects.toThrow('there is a cloud in');
  keep({ ...cloud, membership });
  await expect(host(launch(), parseOptions(['host', 'join', ...to, ...by]))).rejects.toThrow('is the host rack2 of a cloud already');
  await expect(host(launch(), parseOptions(['host', 'token']))).rejects.toThrow('tokens are made there');
  await expect(host(launch(), parseOptions(['host', 'list']))).rejects.toThrow("another machine's cloud");
});

it('is a host like any other, in the network of its machine', () => {
  keep({ ...cloud, membership });
  const site = loadSite(launch());
  expect(site.management.address).toBe('172.30.255.1');
  const parts = partsOf(site, { get: (name: string) => `SECRET-${name}` } as unknown as SecretStore);
  expect(parts.map(({ name }) => name).sort()).toEqual(['log-keeper', 'rack2-agent', 'rack2-libvirtd', 'rack2-ovn-controller', 'rack2-ovsdb', 'rack2-vswitchd']);
  for (const part of parts) for (const before of part.after) expect(parts.map(({ name }) => name)).toContain(before);
  expect(inHost(site.hosts[0]!)).not.toContain('--net');
  const agent = parts.find(({ name }) => name === 'rack2-agent')!;
  expect(agent.env).toMatchObject({
    VIRGA_AMQP_URL: `amqps://agent-${readFileSync(join(state, 'hosts/rack2/id'), 'utf8').trim()}:SECRET-amqp.agent-${readFileSync(join(state, 'hosts/rack2/id'), 'utf8').trim()}@172.30.255.1:5683/`, VIRGA_AGENT_HOST_IP: '172.30.255.40', VIRGA_AGENT_HOSTNAME: 'rack2',
  });
});

it('tokens are printed once, and are good for as long as was said', async () => {
  keep(cloud);
  const written: string[] = [];
  const print = jest.spyOn(process.stdout, 'write').mockImplementation((text) => { written.push(String(text)); return true; });
  await host(launch(), parseOptions(['host', 'token', '--json', '--minutes', '5']));
  print.mockRestore();
  const told = JSON.parse(written.join('')) as { token: string; controller: string; expiresAt: string };
  expect(told.controller).toBe('https://172.30.255.1:9444');
  const { id, secret } = readToken(told.token)!;
  const directory = tokenDirectory(loadSite(launch()));
  const at = Date.parse(told.expiresAt);
  expect(new TokenStore(directory, () => at - 60_000).fault(id, secret)).toBeUndefined();
  expect(new TokenStore(directory, () => at + 1000).fault(id, secret)).toBe('expired');
});

it('what has joined is remembered beside the hosts of the machine', () => {
  keep(cloud);
  const site = loadSite(launch());
  expect(membersOf(site)).toEqual([]);
  keepMember(site, { name: 'rack2', hostId: 'h', address: 'a', tunnelAddress: 't', brokerPasswordHash: 'x', joinedAt: 'j' });
  expect(membersOf(loadSite(launch())).map(({ name }) => name)).toEqual(['rack2']);
  expect(existsSync(join(state, 'members/rack2.json.new'))).toBe(false);
});
