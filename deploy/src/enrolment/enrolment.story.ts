import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, silentLogger } from '@virga/core';
import { Authority, openssl, readTlsIdentity, requestCertificate, type TlsIdentity } from '@virga/mutual-tls';
import { agentUser } from '@virga/rpc';
import { brokerDefinitions } from '../parts/rabbitmq';
import { authorityDirectory, southboundAuthorityDirectory, tlsEnv, tokenDirectory } from '../pki/identities';
import { rabbitHash, SecretStore } from '../secrets';
import { defaultCidrs, planSite } from '../site';
import { Admission } from './admission';
import { Attempts } from './attempts';
import { enrol, type Application } from './enrol';
import { enrolmentServer } from './enrolment-server';
import { fingerprintOf, type JoinToken } from './join-token';
import { membersOf } from './members';
import { TokenStore } from './token-store';

const dir = mkdtempSync(join(tmpdir(), 'virga-enrolment-'));
// The machine is on the loopback network here, and so is the management network.
const site = planSite('/src', dir, { name: 'vg', portOffset: 0, hosts: 1, virtType: 'probe', ...defaultCidrs(0), managementCidr: '127.0.0.0/24' }, readFileSync(join(__dirname, '../../ports.txt'), 'utf8'));
const address = '127.0.0.40';
const keyFile = join(dir, 'machine.key');
let time = Date.now();
const tokens = new TokenStore(tokenDirectory(site), () => time);
let authority: Authority;
let good: string;
let brokerFails = false;
let told: string[] = [];
const lines: string[] = [];
const servers: Server[] = [];
let controller: string;

async function identity(of: Authority, name: string, role: 'enrolment' | 'broker'): Promise<TlsIdentity> {
  await of.equip(join(dir, name), { peer: { role }, addresses: ['127.0.0.1'], names: [] });
  return readTlsIdentity(tlsEnv(join(dir, name)));
}
async function serve(as: TlsIdentity, attempts = new Attempts({ windowMs: 60_000, perAddress: 1000, inAll: 1000 })): Promise<string> {
  const logger = createLogger('enrolment', 'silent');
  for (const level of ['info', 'warn', 'error'] as const) logger[level] = ((...words: unknown[]) => { lines.push(JSON.stringify(words)); }) as typeof logger.info;
  const admission = new Admission({
    site: () => site, tokens, logger, knownHosts: async () => ['host1', 'old-machine'],
    tellBroker: async (current) => { if (brokerFails) throw new Error('no broker'); told = membersOf(current).map(({ name }) => name); },
  });
  const server = enrolmentServer(as, admission, attempts, silentLogger);
  servers.push(server);
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  mkdirSync(site.etc, { recursive: true });
  authority = await Authority.open(authorityDirectory(site));
  await openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', keyFile], '');
  good = await requestCertificate(keyFile);
  controller = await serve(await identity(authority, 'enrolment', 'enrolment'));
});
beforeEach(() => { brokerFails = false; rmSync(join(dir, 'members'), { recursive: true, force: true }); });
afterAll(() => { for (const server of servers) { server.closeAllConnections(); server.close(); } rmSync(dir, { recursive: true }); });

const issue = () => tokens.issue(fingerprintOf(authority.certificate), 60_000);
const join1 = (changes: Partial<Application> = {}) => enrol({ controller, token: issue(), name: 'machine-1', address, request: good, ...changes });

it('gives a machine all that a host needs, and keeps nothing that could pose as it', async () => {
  const token = issue();
  const answer = await join1({ token });
  const certificate = new X509Certificate(answer.certificate);
  expect(certificate.subject).toBe(`CN=host:${answer.hostId}`);
  expect(certificate.subjectAltName).toBe(`DNS:machine-1, IP Address:${address}`);
  expect(certificate.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true);
  expect(certificate.checkPrivateKey((await import('node:crypto')).createPrivateKey(readFileSync(keyFile)))).toBe(true);
  const chassis = new X509Certificate(answer.chassisCertificate);
  expect([chassis.subject, chassis.keyUsage]).toEqual(['CN=machine-1', ['1.3.6.1.5.5.7.3.2']]);
  expect(chassis.verify(new X509Certificate((await Authority.open(southboundAuthorityDirectory(site))).certificate).publicKey)).toBe(true);
  expect(answer).toMatchObject({ ca: authority.certificate, tunnelAddress: '172.30.0.30', cloud: { name: 'vg', portOffset: 0, controller: '127.0.0.1' } });
  expect(told).toEqual(['machine-1']);
  const [member] = membersOf(site);
  expect(member).toMatchObject({ name: 'machine-1', hostId: answer.hostId, address, brokerPasswordHash: rabbitHash(agentUser(answer.hostId), answer.brokerPassword) });
  expect(statSync(join(dir, 'members/machine-1.json')).mode & 0o777).toBe(0o600);
  const kept = readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((file) => join(dir, file)).filter((file) => statSync(file).isFile()).map((file) => readFileSync(file, 'utf8')).join('\n');
  for (const secret of [token.secret, answer.brokerPassword]) expect(kept + lines.join('\n')).not.toContain(secret);
  // Its broker user is confined to its own queues.
  const { users, permissions } = JSON.parse(brokerDefinitions([], new SecretStore(join(dir, 'secrets.json')), [], membersOf(site))) as { users: { name: string; password_hash: string }[]; permissions: { user: string; write: string; read: string }[] };
  expect(users).toContainEqual(expect.objectContaining({ name: agentUser(answer.hostId), password_hash: member!.brokerPasswordHash }));
  expect(permissions.find(({ user }) => user === agentUser(answer.hostId))).toMatchObject({ write: '^virga\\.agent$', read: `^host\\.${answer.hostId}(\\.rpc)?$` });
});

it('lets one machine in by a token, also when two come at once', async () => {
  const token = issue();
  const outcomes = await Promise.allSettled([join1({ token }), join1({ token, name: 'machine-2', address: '127.0.0.41' })]);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  await expect(join1({ token, name: 'machine-3', address: '127.0.0.42' })).rejects.toThrow(/\(401\).*has been used/);
  expect(membersOf(site)).toHaveLength(1);
});

it('gives each machine addresses of its own', async () => {
  const [one, two] = [await join1(), await join1({ name: 'machine-2', address: '127.0.0.41' })];
  expect([one.tunnelAddress, two.tunnelAddress]).toEqual(['172.30.0.30', '172.30.0.31']);
  expect(one.hostId).not.toBe(two.hostId);
});

const changed = (token: JoinToken, changes: Partial<JoinToken>): JoinToken => ({ ...token, ...changes });
const rsa = async () => {
  await openssl(['genpkey', '-algorithm', 'RSA', '-out', join(dir, 'rsa.key')], '');
  return requestCertificate(join(dir, 'rsa.key'));
};
const tampered = () => good.replace(/[A-Za-z0-9](?=[^\n]{10}\n-----END)/, (letter) => (letter === 'A' ? 'B' : 'A'));
it.each<[string, RegExp, () => Partial<Application> | Promise<Partial<Application>>]>([
  ['a token that nobody gave', /\(401\)/, () => ({ token: changed(issue(), { id: '0'.repeat(16) }) })],
  ['a wrong secret', /\(401\)/, () => ({ token: changed(issue(), { secret: 'x'.repeat(43) }) })],
  ['a token that has expired', /\(401\)/, () => { const token = issue(); time += 60_000; return { token }; }],
  ['the name of a host that is there', /\(400\).*host1/, () => ({ name: 'host1' })],
  ['a name that host add would give', /\(400\).*host7/, () => ({ name: 'host7' })],
  ['the name of a host that was not removed', /\(409\).*old-machine.*host remove/, () => ({ name: 'old-machine' })],
  ['the name of a role, as a path', /\(400\)/, () => ({ name: '../broker' })],
  ['an empty name', /\(400\)/, () => ({ name: '' })],
  ['the address of another machine of the network', /\(400\).*comes from 127\.0\.0\.40/, () => ({ claimed: '127.0.0.77' }) as Partial<Application>],
  ['an address that a lab host has', /\(400\).*127\.0\.0\.30 to 127\.0\.0\.254/, () => ({ address: '127.0.0.11' })],
  ["the controller's address", /\(400\)/, () => ({ address: '127.0.0.1' })],
  ['an address outside of the network', /\(400\)/, () => ({ address: '127.0.9.40' })],
  ['a request that is none', /\(400\).*no certificate request/, () => ({ request: 'hello' })],
  ['two requests in one', /\(400\)/, () => ({ request: good + good })],
  ['a private key in place of a request', /\(400\)/, () => ({ request: readFileSync(keyFile, 'utf8') })],
  ['a request that its key has not signed', /\(400\).*damaged/, () => ({ request: tampered() })],
  ['a key of another kind', /\(400\).*P-256/, async () => ({ request: await rsa() })],
  ['a request that is too large', /\(413\)/, () => ({ request: 'x'.repeat(20_000) })],
])('refuses %s, and nothing is left of it', async (_what, reason, make) => {
  const { claimed, ...changes } = (await make()) as Partial<Application> & { claimed?: string };
  // One that says another address than it has.
  const wish = claimed === undefined ? join1(changes) : raw({ token: plain(issue()), name: 'machine-1', address: claimed, request: good }).then(({ status, body }) => { throw new Error(`(${status}): ${body}`); });
  await expect(wish).rejects.toThrow(reason);
  expect(membersOf(site)).toEqual([]);
});

it('does not use a token up by a mistake that can be mended', async () => {
  const token = issue();
  await expect(join1({ token, name: 'old-machine' })).rejects.toThrow('(409)');
  await expect(join1({ token, request: 'hello' })).rejects.toThrow('(400)');
  await expect(join1({ token })).resolves.toMatchObject({ name: 'machine-1' });
});

it('refuses a name and an address that another machine has', async () => {
  await join1();
  await expect(join1({ address: '127.0.0.41' })).rejects.toThrow(/\(409\).*machine-1/);
  await expect(join1({ name: 'machine-2' })).rejects.toThrow(/\(409\).*machine-1 has the address/);
  expect(membersOf(site).map(({ name }) => name)).toEqual(['machine-1']);
});

it('takes everything back when the broker cannot be told, and the token is still good', async () => {
  const token = issue();
  brokerFails = true;
  await expect(join1({ token })).rejects.toThrow(/\(503\).*still good/);
  expect(membersOf(site)).toEqual([]);
  brokerFails = false;
  await expect(join1({ token })).resolves.toMatchObject({ name: 'machine-1' });
});

const plain = ({ id, secret }: JoinToken) => ({ id, secret });
function raw(body: unknown, { method = 'POST', path = '/v1/hosts', at = controller } = {}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const call = request(`${at}${path}`, { method, ca: authority.certificate, checkServerIdentity: () => undefined, agent: false, localAddress: address }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => resolve({ status: response.statusCode!, body: text }));
    });
    call.on('error', reject);
    call.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
}

it.each<[string, unknown, object, number]>([
  ['what is no JSON', '{', {}, 400], ['null', 'null', {}, 400], ['an array', [], {}, 400], ['nothing', {}, {}, 400],
  ['an unknown property', { name: 'm', address, request: '', token: { id: '', secret: '' }, role: 'broker' }, {}, 400],
  ['another method', '', { method: 'GET' }, 405], ['another path', {}, { path: '/' }, 404], ['a path with more', {}, { path: '/v1/hosts/../../etc' }, 404],
])('answers %s as it deserves', async (_what, body, how, status) => {
  expect((await raw(body, how)).status).toBe(status);
});

it('does not listen for a while to a machine that keeps failing', async () => {
  const strict = await serve(readTlsIdentity(tlsEnv(join(dir, 'enrolment'))), new Attempts({ windowMs: 60_000, perAddress: 3, inAll: 1000 }));
  for (let i = 0; i < 3; i++) expect((await raw({}, { at: strict })).status).toBe(400);
  const token = issue();
  await expect(join1({ controller: strict, token })).rejects.toThrow('(429)');
  // From elsewhere it goes on.
  await expect(join1({ controller: strict, token, address: '127.0.0.41' })).resolves.toBeDefined();
});

describe('the machine that joins', () => {
  let other: Authority;
  beforeAll(async () => { other = await Authority.open(join(dir, 'other-ca')); });

  it.each<[string, () => Promise<TlsIdentity>, RegExp]>([
    ['another cloud', () => identity(other, 'other-enrolment', 'enrolment'), /not of the cloud that gave the token/],
    ["one that shows the cloud's CA and is not of it", async () => ({ ...(await identity(other, 'mixed', 'enrolment')), ca: Buffer.from(authority.certificate) }), /cannot be used|not of the cloud/],
    ['another part of the cloud', () => identity(authority, 'a-broker', 'broker'), /proves to be broker/],
  ])('tells its token to nobody when %s answers', async (_who, as, reason) => {
    const token = issue();
    await expect(join1({ controller: await serve(await as()), token })).rejects.toThrow(reason);
    expect(tokens.fault(token.id, token.secret)).toBeUndefined();
  });

  it('says who cannot be reached', async () => {
    await expect(join1({ controller: 'https://127.0.0.1:1' })).rejects.toThrow(/https:\/\/127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED/);
  });
});
