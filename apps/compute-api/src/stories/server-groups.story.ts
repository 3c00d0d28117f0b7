import { newUuid } from '@virga/core';
import { startLab, type Lab } from './lab';

let lab: Lab;
let flavor: string;
let image: string;
beforeAll(async () => {
  lab = await startLab({ hosts: 3, conductor: { reconcileMs: 0 } });
  flavor = await lab.makeFlavor();
  image = lab.images.add();
});
afterAll(() => lab.stop());

const make = (body: Record<string, unknown>, options = {}) => lab.call('POST', '/v2.1/os-server-groups', { server_group: body }, options);
const group = async (policy = 'anti-affinity', rules?: Record<string, unknown>): Promise<string> => (await make({ name: 'g', policy, ...(rules && { rules }) })).body.server_group.id;
const boot = (id: string, more: Record<string, unknown> = {}) => lab.call('POST', '/v2.1/servers', { 'server': { name: 's', imageRef: image, flavorRef: flavor, networks: 'none', ...more }, 'os:scheduler_hints': { group: id } });
const built = (id: string) => lab.serverUntil(id, ({ status }) => status === 'ACTIVE' || status === 'ERROR');
const show = async (id: string, version = '2.93') => (await lab.call('GET', `/v2.1/os-server-groups/${id}`, undefined, { version })).body.server_group;
const clear = async () => {
  const { servers } = (await lab.call('GET', '/v2.1/servers')).body;
  for (const { id } of servers) await lab.call('DELETE', `/v2.1/servers/${id}`);
  for (const { id } of servers) await lab.gone(id);
  for (const { id } of (await lab.call('GET', '/v2.1/os-server-groups')).body.server_groups) expect((await lab.call('DELETE', `/v2.1/os-server-groups/${id}`)).status).toBe(204);
};
afterEach(clear);

it('is shown in the form of each version', async () => {
  const id = await group();
  const owner = { project_id: lab.projectId, user_id: lab.userId };
  expect(await show(id, '2.1')).toEqual({ id, name: 'g', policies: ['anti-affinity'], metadata: {}, members: [] });
  expect(await show(id, '2.13')).toEqual({ id, name: 'g', policies: ['anti-affinity'], metadata: {}, members: [], ...owner });
  expect(await show(id, '2.64')).toEqual({ id, name: 'g', policy: 'anti-affinity', rules: {}, members: [], ...owner });
  expect((await make({ name: 'm', policy: 'anti-affinity', rules: { max_server_per_host: '3' } })).body.server_group.rules).toEqual({ max_server_per_host: 3 });
  expect((await make({ name: 'o', policies: ['soft-affinity'] }, { version: '2.15' })).body.server_group.policies).toEqual(['soft-affinity']);
});

it.each<[string, Record<string, unknown>, string, number]>([
  ['an unknown policy', { name: 'g', policy: 'nosuch' }, '2.64', 400],
  ['no policy', { name: 'g' }, '2.64', 400],
  ['a list in a version with one', { name: 'g', policies: ['affinity'] }, '2.64', 400],
  ['no list in a version with one', { name: 'g', policy: 'affinity' }, '2.63', 400],
  ['a soft policy before there were any', { name: 'g', policies: ['soft-affinity'] }, '2.14', 400],
  ['two policies', { name: 'g', policies: ['affinity', 'anti-affinity'] }, '2.15', 400],
  ['none', { name: 'g', policies: [] }, '2.15', 400],
  ['rules of another policy', { name: 'g', policy: 'affinity', rules: { max_server_per_host: 2 } }, '2.64', 400],
  ['a maximum of none', { name: 'g', policy: 'anti-affinity', rules: { max_server_per_host: 0 } }, '2.64', 400],
  ['a name of blanks', { name: ' ', policy: 'affinity' }, '2.64', 400],
])('refuses %s', async (_name, body, version, status) => {
  expect((await make(body, { version })).status).toBe(status);
});

it('is nobody else\'s, and listed in pages', async () => {
  const ids = [await group(), await group('affinity'), await group()];
  const stranger = { token: lab.tokenFor({ projectId: '0'.repeat(32) }) };
  expect((await lab.call('GET', `/v2.1/os-server-groups/${ids[0]}`, undefined, stranger)).body).toEqual({ itemNotFound: { code: 404, message: `Instance group ${ids[0]} could not be found.` } });
  expect((await lab.call('DELETE', `/v2.1/os-server-groups/${ids[0]}`, undefined, stranger)).status).toBe(404);
  const list = async (query: string, options = {}) => (await lab.call('GET', `/v2.1/os-server-groups?${query}`, undefined, options)).body.server_groups.map(({ id }: { id: string }) => id);
  expect(await list('')).toEqual(ids);
  expect(await list('limit=1&offset=1')).toEqual([ids[1]]);
  expect(await list('all_projects=true', stranger)).toEqual([]);
  expect(await list('all_projects=true', { token: lab.admin })).toEqual(ids);
  expect(await list('', { token: lab.admin })).toEqual([]);
  expect((await lab.call('GET', '/v2.1/os-server-groups?limit=x')).status).toBe(400);
  expect((await lab.call('GET', '/v2.1/os-server-groups?nosuch=1')).status).toBe(400);
  for (const id of [newUuid(), 'nosuch']) expect((await lab.call('GET', `/v2.1/os-server-groups/${id}`)).status).toBe(404);
});

it('never has two members of an anti-affine group on a host, however many are created at once', async () => {
  const id = await group();
  const answers = await Promise.all(Array.from({ length: 5 }, () => boot(id)));
  const ids = answers.map(({ body }) => body.server.id as string);
  const servers = await Promise.all(ids.map(built));
  const active = servers.filter(({ status }) => status === 'ACTIVE');
  expect(new Set(active.map((server) => server['OS-EXT-SRV-ATTR:host'])).size).toBe(active.length);
  expect(active).toHaveLength(3);
  const [refused] = servers.filter(({ status }) => status === 'ERROR');
  expect(refused.fault.message).toContain('No valid host was found.');
  expect(refused.fault.message).toContain('policy of the server group');
  expect((await show(id)).members.sort()).toEqual([...ids].sort());
  expect((await lab.call('GET', `/v2.1/servers/${ids[0]}`)).body.server.server_groups).toEqual([id]);
  await lab.call('DELETE', `/v2.1/servers/${ids[0]}`);
  await lab.gone(ids[0]!);
  expect((await show(id)).members).not.toContain(ids[0]);
});

it('keeps an affine group together, also when it is moved', async () => {
  const id = await group('affinity');
  const first = (await boot(id)).body.server.id as string;
  const { 'OS-EXT-SRV-ATTR:host': host } = await built(first);
  // One alone may go where it wants.
  const migrate = (server: string) => lab.asAdmin('POST', `/v2.1/servers/${server}/action`, { migrate: null });
  await migrate(first);
  const moved = await lab.serverUntil(first, ({ status }) => status === 'VERIFY_RESIZE');
  expect(moved['OS-EXT-SRV-ATTR:host']).not.toBe(host);
  await lab.call('POST', `/v2.1/servers/${first}/action`, { confirmResize: null });
  await lab.serverUntil(first, ({ status }) => status === 'ACTIVE');
  const second = (await boot(id)).body.server.id as string;
  expect((await built(second))['OS-EXT-SRV-ATTR:host']).toBe(moved['OS-EXT-SRV-ATTR:host']);
  await migrate(second);
  await lab.until(async () => (await lab.asAdmin('GET', `/v2.1/os-migrations?instance_uuid=${second}`)).body.migrations[0], (migration) => migration?.status === 'error');
  expect((await built(second))['OS-EXT-SRV-ATTR:host']).toBe(moved['OS-EXT-SRV-ATTR:host']);
});

it('lets as many onto a host as its rule says', async () => {
  const id = await group('anti-affinity', { max_server_per_host: 2 });
  const servers = await Promise.all((await Promise.all(Array.from({ length: 7 }, () => boot(id)))).map(({ body }) => built(body.server.id)));
  expect(servers.filter(({ status }) => status === 'ACTIVE')).toHaveLength(6);
});

it('counts against quotas, and refuses groups that are not there', async () => {
  await lab.asAdmin('PUT', `/v2.1/os-quota-sets/${lab.projectId}`, { quota_set: { server_groups: 1, server_group_members: 1 } });
  const id = await group();
  expect((await make({ name: 'g', policy: 'affinity' })).body).toEqual({ forbidden: { code: 403, message: 'Quota exceeded, too many server groups.' } });
  expect((await lab.call('GET', '/v2.1/limits')).body.limits.absolute).toMatchObject({ maxServerGroups: 1, totalServerGroupsUsed: 1 });
  expect((await boot(id, { min_count: 2 })).body.forbidden.message).toBe('Quota exceeded, too many servers in group');
  expect((await lab.call('GET', '/v2.1/servers')).body.servers).toEqual([]);
  const missing = newUuid();
  expect((await boot(missing)).body).toEqual({ badRequest: { code: 400, message: `Instance group ${missing} could not be found.` } });
  await lab.asAdmin('PUT', `/v2.1/os-quota-sets/${lab.projectId}`, { quota_set: { server_groups: 10, server_group_members: 10 } });
});
